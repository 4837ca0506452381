import { realpathSync } from 'node:fs'
import type { EmbeddedDatabase } from '../database/embedded.js'
import type { LauncherSettings } from './settings.js'
import type { Sidecar } from './sidecar.js'

/** What is shown once the service listens: where everything is, and what to try first. */
export function welcome (
  url: string, settings: LauncherSettings, metricsPort: number | undefined,
  { database, sidecar }: { database?: EmbeddedDatabase | undefined, sidecar?: Pick<Sidecar, 'describe'> }
): string {
  const addresses: Array<[string, string]> = [
    ['Service', url],
    ['API', `${url}/docs`],
    ['OpenAPI', `${url}/openapi.json`],
    ...metricsPort === undefined ? [] : [['Metrics', `http://${settings.metrics?.host}:${metricsPort}/metrics`] as [string, string]],
    ['Data', settings.dataDir],
    ['Database', database === undefined ? withoutPassword(settings.databaseUrl ?? '') : describe(database, settings.dataDir)],
    ...sidecar?.describe() ?? [['Sidecar', settings.sidecar.unwanted ?? 'none'] as [string, string]]
  ]
  const width = Math.max(...addresses.map(([name]) => name.length))
  return [
    '',
    'The configuration service is ready.',
    '',
    ...addresses.map(([name, value]) => `  ${name.padEnd(width)} ${value}`),
    '',
    'Try it: create an application, give it a configuration, read that back.',
    '',
    ...examples(url),
    '',
    'Ctrl-C stops everything in order.',
    ''
  ].join('\n')
}

/** `user@host:port/database`: what may be shown of a connection string. */
export function withoutPassword (databaseUrl: string): string {
  try {
    const { username, host, pathname } = new URL(databaseUrl)
    return `${username === '' ? '' : `${decodeURIComponent(username)}@`}${host}${pathname}`
  } catch {
    return 'the one of DATABASE_URL'
  }
}

function describe ({ version, port, folder }: EmbeddedDatabase, dataDir: string): string {
  const elsewhere = folder.startsWith(realpathSync(dataDir)) ? '' : `, kept in ${folder}`
  return `PostgreSQL ${version} on 127.0.0.1:${port}${elsewhere}`
}

function examples (url: string): string[] {
  const post = (path: string, body: unknown) => [
    `  curl ${url}/api/v1/${path} -H 'content-type: application/json' \\`,
    `    -d '${JSON.stringify(body)}'`
  ]
  return [
    ...post('applications', { name: 'billing' }),
    ...post('configurations', { application: 'billing', name: 'prod', values: { db: { host: 'db.internal', port: 5432 } } }),
    `  curl ${url}/api/v1/configurations/billing:prod`
  ]
}

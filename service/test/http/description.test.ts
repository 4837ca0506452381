import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import t from 'tap'
import { problemTypes } from '../../src/errors.js'
import { packageRoot } from '../../src/package.js'
import { testApp } from '../support/app.js'

interface Description {
  openapi: string
  paths: Record<string, Record<string, { operationId: string, responses: Record<string, { content?: Record<string, { schema: object }> }> }>>
}

t.test('the description lists every path of docs/api.md and none beside', async (t) => {
  const app = await testApp(t)
  const described = (await app.server.inject('/openapi.json')).json<Description>()
  t.match(described.openapi, /^3\.1/)
  const operations = Object.entries(described.paths).flatMap(([path, methods]) => Object.keys(methods).filter((method) => method !== 'head').map((method) => `${method.toUpperCase()} ${path}`))
  const documented = [...readFileSync(path.join(packageRoot, '..', 'docs', 'api.md'), 'utf8').matchAll(/^\| `([A-Z]+) (\/[^`]*)`/gm)].map(([, method, path]) => `${String(method)} ${String(path)}`)
  t.same(documented.sort(), operations.sort())
})

t.test('answers have the shape that the description gives them', async (t) => {
  const app = await testApp(t)
  const described = (await app.server.inject('/openapi.json')).json<Description>()
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ ...described, $id: 'api' } as never, 'api')
  const check = (method: string, route: string, answer: { statusCode: number, body: string }): void => {
    const contents = described.paths[route]?.[method]?.responses[answer.statusCode]?.content ?? {}
    const pointer = Object.keys(contents)[0]
    if (pointer === undefined) {
      t.fail(`${method} ${route} ${answer.statusCode} is not described`)
      return
    }
    const at = ['paths', route, method, 'responses', String(answer.statusCode), 'content', pointer, 'schema'].map((token) => encodeURIComponent(token.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
    const validate = ajv.compile({ $ref: `api#/${at}` }) as ValidateFunction
    t.ok(validate(JSON.parse(answer.body)), `${method} ${route} ${answer.statusCode}: ${JSON.stringify(validate.errors)}`)
  }
  check('post', '/api/v1/applications', await app.call('POST', '/applications', { name: 'a' }))
  check('post', '/api/v1/applications', await app.call('POST', '/applications', { name: 'a' }))
  check('post', '/api/v1/applications', await app.call('POST', '/applications', {}))
  check('get', '/api/v1/applications/{id}', await app.call('GET', '/applications/a'))
  check('get', '/api/v1/applications', await app.call('GET', '/applications'))
  check('post', '/api/v1/configurations', await app.call('POST', '/configurations', { application: 'a', name: 'x', values: { a: 1 }, schema: {}, links: [{ kind: 'image', url: 'https://example.com/x.png' }] }))
  check('put', '/api/v1/configurations/{id}', await app.call('PUT', '/configurations/a:y', { extends: ['a:x'] }))
  check('patch', '/api/v1/configurations/{id}', await app.call('PATCH', '/configurations/a:y', { values: { b: 2 } }))
  check('get', '/api/v1/configurations', await app.call('GET', '/configurations'))
  check('get', '/api/v1/configurations', await app.call('GET', '/configurations?include=values'))
  check('get', '/api/v1/configurations/{id}', await app.call('GET', '/configurations/a:x'))
  check('get', '/api/v1/configurations/{id}', await app.call('GET', '/configurations/a:z'))
  check('get', '/api/v1/configurations/{id}/versions', await app.call('GET', '/configurations/a:y/versions'))
  check('get', '/api/v1/configurations/{id}/versions/{version}', await app.call('GET', '/configurations/a:y/versions/1'))
  check('get', '/api/v1/configurations/{id}/diff', await app.call('GET', '/configurations/a:y/diff'))
  check('post', '/api/v1/configurations/{id}/rollback', await app.call('POST', '/configurations/a:y/rollback', { version: 1 }))
  check('delete', '/api/v1/configurations/{id}', await app.call('DELETE', '/configurations/a:x'))
  check('delete', '/api/v1/configurations/{id}', await app.call('DELETE', '/configurations/a:y'))
  check('get', '/health', await app.server.inject('/health'))
  check('get', '/health/live', await app.server.inject('/health/live'))
  check('get', '/health/ready', await app.server.inject('/health/ready'))
})

t.test('every type of problem has a page, and the index leads to all of them', async (t) => {
  const app = await testApp(t)
  const index = await app.server.inject('/problems')
  for (const [slug, { title }] of Object.entries(problemTypes)) {
    t.ok(index.body.includes(`href="/problems/${slug}"`))
    const page = await app.server.inject(`/problems/${slug}`)
    t.equal(page.statusCode, 200)
    t.ok(page.body.includes(title))
  }
  for (const slug of ['nothing', 'toString', '__proto__']) t.equal((await app.server.inject(`/problems/${slug}`)).statusCode, 404)
})

t.test('the description can be browsed without anything from outside', async (t) => {
  const app = await testApp(t)
  const page = await app.server.inject('/docs')
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-type'], /text\/html/)
  for (const [, source] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
    t.notMatch(source, /^https?:/, 'nothing comes from another host')
    t.equal((await app.server.inject(new URL(String(source), 'http://x/docs/').pathname)).statusCode, 200, String(source))
  }
})

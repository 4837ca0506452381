import { malformed } from './errors.js'

/** Names of applications and configurations; `{id}` in a path and references in bodies are made of them. */
export const NAME_PATTERN = '^[a-z0-9][a-z0-9._-]{0,62}$'
const NAME = new RegExp(NAME_PATTERN)
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** An application, by id or by name. */
export type ApplicationTarget = { id: string } | { application: string }
/** A configuration, by id or by `application:name`. */
export type ConfigurationTarget = { id: string } | { application: string, name: string }

/** A name may not look like an id, or nobody could tell the two apart. */
export function isName (text: string): boolean {
  return NAME.test(text) && !UUID.test(text)
}

export function parseApplicationTarget (text: string): ApplicationTarget | undefined {
  if (UUID.test(text)) return { id: text.toLowerCase() }
  return isName(text) ? { application: text } : undefined
}

export function parseConfigurationTarget (text: string): ConfigurationTarget | undefined {
  if (UUID.test(text)) return { id: text.toLowerCase() }
  const [application, name, ...rest] = text.split(':')
  if (application === undefined || name === undefined || rest.length > 0) return undefined
  return isName(application) && isName(name) ? { application, name } : undefined
}

/** The target of a path; 400 when it is of neither form. */
export function applicationTarget (text: string): ApplicationTarget {
  const target = parseApplicationTarget(text)
  if (target !== undefined) return target
  throw malformed([{ in: 'path', path: 'id', message: 'must be an application\'s id or its name (1 to 63 of a-z 0-9 . _ -, starting with a letter or digit)' }])
}

/** The target of a path; 400 when it is of neither form. */
export function configurationTarget (text: string): ConfigurationTarget {
  const target = parseConfigurationTarget(text)
  if (target !== undefined) return target
  throw malformed([{ in: 'path', path: 'id', message: 'must be a configuration\'s id or a reference application:configuration' }])
}

/** What a person calls a target. */
export function describeTarget (target: ApplicationTarget | ConfigurationTarget): string {
  if ('id' in target) return target.id
  return 'name' in target ? `${target.application}:${target.name}` : target.application
}

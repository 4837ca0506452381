import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { malformed, Problem, problemTypes, type Fault } from '../errors.js'
import { JsonFaultsError, JsonSyntaxError } from '../json/index.js'

/** The JSON text of a problem (RFC 9457). `instance` is the path that was asked for. */
export function problemText (problem: Problem, about: { instance: string, traceId: string }): string {
  return JSON.stringify({
    type: `/problems/${problem.slug}`,
    title: problemTypes[problem.slug].title,
    status: problem.status,
    detail: problem.message,
    instance: about.instance,
    trace_id: about.traceId,
    errors: problem.faults,
    ...problem.members
  })
}

export function sendProblem (request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  reply.code(problem.status).header('content-type', 'application/problem+json; charset=utf-8').header('cache-control', 'no-store')
  // RFC 6750, section 3
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="config-service"')
  if (problem.retryAfterS !== undefined) reply.header('retry-after', problem.retryAfterS)
  return reply.send(problemText(problem, { instance: pathOf(request.url), traceId: request.trace.traceId }))
}

/** What any error is to the caller: a problem of the table, whatever threw it. */
export function problemOf (error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof JsonSyntaxError || error instanceof JsonFaultsError) {
    return malformed(error.faults.map((fault): Fault => ({ in: 'body', path: fault.path, message: 'line' in fault ? `${fault.message} (line ${String(fault.line)}, column ${String((fault as { column?: unknown }).column)})` : fault.message })))
  }
  const { code, statusCode } = error as Partial<FastifyError>
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE': return new Problem('body-too-large', 'The body is larger than is accepted here.')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE': return unsupportedMediaType()
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH': return malformed([{ in: 'header', path: 'content-length', message: 'does not match the length of the body' }])
    case 'FST_ERR_CTP_EMPTY_JSON_BODY': return malformed([{ in: 'body', path: '', message: 'is empty' }])
    case 'FST_ERR_BAD_URL': return malformed([{ in: 'path', path: '', message: 'has a percent-encoding that is not valid' }])
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem('malformed-request', (error as Error).message)
  }
  return new Problem('internal-error', 'The service failed to answer; its log has the details under the trace_id.', { cause: error })
}

export function unsupportedMediaType (detail = 'The body must be application/json; for PATCH also application/merge-patch+json or application/json-patch+json.', header = 'content-type'): Problem {
  return new Problem('unsupported-media-type', detail, { faults: [{ in: 'header', path: header, message: 'is not understood here' }] })
}

/** The path of a URL without its query, which may hold what is nobody's business in a log. */
export function pathOf (url: string): string {
  const at = url.indexOf('?')
  return at === -1 ? url : url.slice(0, at)
}

/** The page behind a problem's type. */
export function problemPage (slug: keyof typeof problemTypes): string {
  const { status, title, help } = problemTypes[slug]
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1f2328}code{background:#f2f4f7;padding:.1em .3em;border-radius:4px}a{color:#0550ae}</style></head>
<body><p><a href="/problems">All problems</a></p><h1>${title}</h1>
<p><code>${slug}</code> · status <code>${status}</code></p>
<p>${help}</p>
</body></html>
`
}

/** The list of all problem types. */
export function problemIndex (): string {
  const rows = Object.entries(problemTypes).map(([slug, { status, title }]) => `<li><code>${status}</code> <a href="/problems/${slug}">${slug}</a> – ${title}</li>`)
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Problems</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1f2328}code{background:#f2f4f7;padding:.1em .3em;border-radius:4px}a{color:#0550ae}</style></head>
<body><h1>Problems</h1><p>Every refusal of the service is of one of these types (RFC 9457).</p><ul>${rows.join('\n')}</ul></body></html>
`
}

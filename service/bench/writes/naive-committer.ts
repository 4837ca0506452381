import type pg from 'pg'
import type { ChangeRequest, ChangeResult } from '../../src/revisions/change.js'
import type { Committer } from '../../src/revisions/committer.js'

/**
 * What is done without a committer: a transaction for each request, on any connection of the pool, with a statement
 * for each step. It creates configurations without parents and without preconditions, which is what is measured.
 */
export function createNaiveCommitter (pool: pg.Pool): Committer {
  const stats = { changes: 0, batches: 0 }
  return {
    stats,
    async commit (request) {
      if (request.kind !== 'configuration' || request.operation !== 'create') throw new Error('the naive way only creates configurations')
      const client = await pool.connect()
      try {
        await client.query('begin')
        const result = await decide(client, request)
        await client.query(result.outcome === 'committed' ? 'commit' : 'rollback')
        client.release()
        stats.changes += 1
        stats.batches += 1
        return result
      } catch (error) {
        client.release(true)
        throw error
      }
    },
    // The server waits for requests under way before.
    async close () {}
  }
}

async function decide (client: pg.ClientBase, request: ChangeRequest): Promise<ChangeResult> {
  // Revisions have no gaps and the order of commit: whoever commits holds the head, here as there.
  const { rows: [head] } = await client.query<{ revision: number, epoch: string }>({
    name: 'naive-head', text: 'select revision, epoch from store for update'
  })
  if (head === undefined) throw new Error('the store has no head')
  const { rows: [application] } = await client.query<{ id: string, name: string }>({
    name: 'naive-application', text: 'select id, name from applications where name = $1', values: [request.target_application]
  })
  if (application === undefined) return refused(request, head, 'unknown-application')
  const { rows: taken } = await client.query({
    name: 'naive-name', text: 'select id from configurations where application_id = $1 and name = $2', values: [application.id, request.name]
  })
  if (taken.length > 0) return refused(request, head, 'name-taken')

  const revision = head.revision + 1
  const at = new Date()
  const id = String(request.new_id)
  const reference = `${application.name}:${request.name}`
  const content = `{"name":${JSON.stringify(request.name)},"description":${JSON.stringify(request.description)},"values":${request.values},` +
    `"schema":${request.schema ?? 'null'},"extends":[],"links":${request.links},"labels":${request.labels},"abstract":${request.abstract}}`
  await client.query({
    name: 'naive-configuration',
    text: `insert into configurations (id, application_id, name, description, values, schema, links, labels, abstract, size_bytes, version, revision, created_at, updated_at, updated_by)
      values ($1, $2, $3, $4, $5::json, $6, $7, $8, $9, octet_length($5::json::text), 1, $10, $11, $11, $12)`,
    values: [id, application.id, request.name, request.description, request.values, request.schema, request.links, request.labels, request.abstract, revision, at, request.author]
  })
  await client.query({
    name: 'naive-revision',
    text: 'insert into revisions (revision, change_id, committed_at, author, message, trace_id, traceparent) values ($1, $2, $3, $4, $5, $6, $7)',
    values: [revision, request.change_id, at, request.author, request.message, request.trace_id, request.traceparent]
  })
  await client.query({
    name: 'naive-version',
    text: `insert into versions (object_id, version, kind, revision, operation, application_id, reference, content)
      values ($1, 1, 'configuration', $2, 'create', $3, $4, $5)`,
    values: [id, revision, application.id, reference, content]
  })
  await client.query({
    name: 'naive-store', text: "update store set revision = $1, changed_at = now() returning pg_notify('config_service', epoch || '.' || revision)", values: [revision]
  })
  return {
    change_id: request.change_id,
    outcome: 'committed',
    reason: null,
    detail: null,
    kind: 'configuration',
    operation: 'create',
    id,
    reference,
    application_id: application.id,
    content,
    version: 1,
    revision,
    created_at: at,
    updated_at: at,
    updated_by: request.author,
    head: revision,
    epoch: head.epoch
  }
}

function refused (request: ChangeRequest, head: { revision: number, epoch: string }, reason: string): ChangeResult {
  return {
    change_id: request.change_id,
    outcome: 'refused',
    reason,
    detail: null,
    kind: 'configuration',
    operation: null,
    id: '',
    reference: '',
    application_id: '',
    content: null,
    version: 0,
    revision: 0,
    created_at: new Date(0),
    updated_at: new Date(0),
    updated_by: '',
    head: head.revision,
    epoch: head.epoch
  }
}

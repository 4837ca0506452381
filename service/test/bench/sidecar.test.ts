import t from 'tap'
import { phaseOf } from '../../bench/sidecar/phase.js'
import { levelText, reportText } from '../../bench/sidecar/report.js'
import type { Sample } from '../../bench/sidecar/watch.js'

const bounds = { part: 'during', from: 10_000, until: 20_000, spans: { recorded: 40, dropped: 4 } } as const
const result = {
  answeredAt: Float64Array.of(9_999, 10_000, 15_000, 19_999, 20_000),
  latencies: Float64Array.of(50, 3, 1, 2, 50),
  failures: [{ at: 9_000, what: 'before' }, { at: 12_000, what: '503 away' }]
}

function sample (at: number, level: number, reason: string | null = null): Sample {
  return { at, level, reason, sidecar: 'up', bytes: { service: at, sidecar: NaN } }
}

t.test('a part has what happened within it', async t => {
  const phase = phaseOf('stopped', bounds, result, [sample(9_000, 1), sample(11_000, 1), sample(12_000, 2, 'away'), sample(13_000, 2, 'away'), sample(19_000, 1), sample(21_000, 3)])
  t.match(phase, { requests: 3, requestsPerSecond: 0.3, seconds: 10, p50Ms: 2, worstMs: 3, bytes: { service: 19_000 } })
  t.same(phase.failures, [{ at: 12_000, what: '503 away' }])
  t.same(phase.levels, [{ level: 1, reason: null, afterS: 0 }, { level: 2, reason: 'away', afterS: 2 }, { level: 1, reason: null, afterS: 9 }])
  t.equal(levelText(phase.levels), '1, 2 from 2 s, 1 from 9 s')
})

t.test('the report says whether requests failed, and why the level moved', async t => {
  const failed = reportText([phaseOf('hung', bounds, result, [sample(11_000, 2, 'the sidecar does not answer')])], 0.3)
  t.match(failed, '1 requests FAILED: 503 away')
  t.match(failed, 'level 2: the sidecar does not answer')
  const well = reportText([phaseOf('none', bounds, { ...result, failures: [] }, [])], 10)
  t.match(well, 'No request failed of 3.')
  t.match(well, '10.0 requests/s were asked for and not reached')
  t.notMatch(failed, 'not reached')
})

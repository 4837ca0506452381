import neostandard from 'neostandard'

const openTelemetry = { group: ['@opentelemetry/*', '**/telemetry/*', './telemetry.js'], message: 'services and repositories do not know of telemetry: telemetry.ts wraps them' }

export default [
  ...neostandard({ ts: true, ignores: ['build', 'dist', '.tap'] }),
  {
    rules: {
      // A promise that nobody waits for says so.
      'no-void': ['error', { allowAsStatement: true }],
      // It does not see that other functions run while a loop awaits.
      'no-unmodified-loop-condition': 'off'
    }
  },
  {
    files: ['src/**/service.ts', 'src/**/repository.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [openTelemetry] }] }
  }
]

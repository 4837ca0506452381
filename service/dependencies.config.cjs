// Which way dependencies may point: routes → service → repository → database. Features meet in app.ts.
const features = '(applications|configurations|revisions|access|health)'

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'routes-are-the-outermost', comment: 'only app.ts registers routes', severity: 'error', from: { pathNot: '/app\\.js$' }, to: { path: '/routes\\.js$' } },
    { name: 'service-knows-no-http', severity: 'error', from: { path: '/(service|repository)\\.js$' }, to: { path: '(^|/)(fastify|@fastify)/|build/check/http/' } },
    { name: 'repository-knows-no-service', severity: 'error', from: { path: '/repository\\.js$' }, to: { path: '/service\\.js$' } },
    { name: 'features-meet-in-app', comment: 'what features share lies in revisions, http or database', severity: 'error', from: { path: `^build/check/${features}/` }, to: { path: '^build/check/(applications|configurations|access|health)/', pathNot: '^build/check/$1/' } },
    { name: 'no-telemetry-in-services', severity: 'error', from: { path: '/(service|repository)\\.js$' }, to: { path: '(^|/)@opentelemetry/|build/check/telemetry/' } },
    { name: 'telemetry-in-its-place', comment: 'OpenTelemetry is imported in telemetry/, telemetry.ts and main.ts', severity: 'error', from: { pathNot: 'build/check/(telemetry/|main\\.js$)|/telemetry\\.js$' }, to: { path: '(^|/)@opentelemetry/' } },
    { name: 'pure', comment: 'json and dependencies do no I/O', severity: 'error', from: { path: '^build/check/(json|dependencies)/' }, to: { path: '^(node:)?(fs|net|http|child_process)|/pg/|build/check/(database|http|telemetry)/' } },
    { name: 'launcher-apart', comment: 'the service does not know who started it', severity: 'error', from: { path: '^build/check/', pathNot: '^build/check/(launcher/|database/embedded)' }, to: { path: '^build/check/(launcher/|database/embedded)' } }
  ],
  options: { doNotFollow: { path: 'node_modules' }, enhancedResolveOptions: { extensions: ['.js'] } }
}

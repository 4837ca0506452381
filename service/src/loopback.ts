/** Whether a name or address means this machine only. */
export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('::ffff:127.') || /^127(?:\.\d{1,3}){3}$/.test(host)
}

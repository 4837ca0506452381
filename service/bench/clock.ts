/** Of the machine's monotonic clock, which all processes share, in ms. */
export function clockMs (): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

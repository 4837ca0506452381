let count = 0

/** Takes note of a fault of telemetry itself, for `telemetry.internal.errors`. Never throws. */
export function noteInternalError (): void {
  count += 1
}

export function internalErrors (): number {
  return count
}

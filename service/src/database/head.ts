/** What this process knows of the head of the store: the newest revision it has seen, and the epoch. */
export interface Head {
  readonly revision: number
  readonly epoch: string
  /** Takes note of a head that a statement returned; an older one of the same epoch changes nothing. */
  seen (revision: number, epoch: string): void
}

export function createHead (): Head {
  let revision = 0
  let epoch = ''
  return {
    get revision () { return revision },
    get epoch () { return epoch },
    seen (newRevision, newEpoch) {
      if (newEpoch !== epoch) {
        epoch = newEpoch
        revision = newRevision
      } else if (newRevision > revision) {
        revision = newRevision
      }
    }
  }
}

/** What a read returned, and the revision of the store it was read at. */
export interface Read<T> { revision: number, value: T }

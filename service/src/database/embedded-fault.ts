/**
 * A fault that a person can mend: its message says what happened, where, and what to do next, so
 * it is shown without a stack.
 */
export class StartFault extends Error {
  override readonly name = 'StartFault'
}

/** What a file system error means for someone who has set a data folder. */
export function fileFault (error: unknown, path: string): Error {
  const { code } = error as NodeJS.ErrnoException
  const next = 'Set DATA_DIR to a folder that can be written to.'
  switch (code) {
    case 'EEXIST':
    case 'ENOTDIR':
      return new StartFault(`The data folder ${path} cannot be made: a file is in its place. ${next}`)
    case 'EACCES':
    case 'EPERM':
      return new StartFault(`The data folder ${path} cannot be written to: this user lacks the permission (${code}). ${next}`)
    case 'EROFS':
      return new StartFault(`The data folder ${path} cannot be written to: its file system is read-only. ${next}`)
    case 'ENOSPC':
    case 'EDQUOT':
      return new StartFault(`The data folder ${path} cannot be written to: the disk is full (${code}). Free some space, or set DATA_DIR to a folder elsewhere.`)
    case 'ENAMETOOLONG':
      return new StartFault(`The data folder ${path} cannot be made: its name is too long. ${next}`)
    default:
      return error instanceof Error ? error : new Error(String(error))
  }
}

export type Role = 'reader' | 'editor' | 'admin'

/** Who makes a request, and what for. */
export interface Caller {
  id: string
  role: Role
  /** Ids of the only applications that are theirs; all are where it is undefined. */
  applications: readonly string[] | undefined
}

const RANKS: Record<Role, number> = { reader: 1, editor: 2, admin: 3 }

/** Whether a role includes another. */
export function includesRole (role: Role, other: Role): boolean {
  return RANKS[role] >= RANKS[other]
}

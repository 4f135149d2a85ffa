/** What a project asks for and its lock file does not answer, in words for whoever has to bring the two together. */
import type * as DependencyGraph from "./DependencyGraph.ts"
import * as LockConsistency from "./LockConsistency.ts"
import * as LockFile from "./LockFile.ts"

const SECTIONS = ["dependencies", "optionalDependencies", "peerDependencies"] as const

/** Differences that are named; the others are counted. */
const SHOWN_MAX = 5

const isOptionalPeer = ({ peerDependenciesMeta = {} }: DependencyGraph.Wishes, name: string): boolean =>
  peerDependenciesMeta[name]?.optional === true

/** `undefined` where the lock answers exactly these wishes. */
export const of = (lock: LockFile.LockFile, wishes: DependencyGraph.Wishes): string | undefined => {
  if (LockFile.answers(lock, wishes)) return undefined
  const differences = SECTIONS.flatMap((section) => {
    const locked = lock.wishes[section] ?? {}
    const asked = wishes[section] ?? {}
    const names = [...new Set([...Object.keys(asked), ...Object.keys(locked)])].toSorted()
    return names.flatMap((name) => {
      const [now, then] = [asked[name], locked[name]]
      if (now === then) {
        const isOptional = isOptionalPeer(wishes, name)
        if (section !== "peerDependencies" || isOptional === isOptionalPeer(lock.wishes, name)) return []
        return [
          `the peer ${name} is ${isOptional ? "optional, and locked as needed" : "needed, and locked as optional"}`
        ]
      }
      if (then === undefined) return [`${name}@${now} is asked for and not locked`]
      if (now === undefined) return [`${name}@${then} is locked and not asked for`]
      return [`${name} is asked for as ${now} and locked for ${then}`]
    })
  })
  const more = differences.length - SHOWN_MAX
  const shown = differences.slice(0, SHOWN_MAX).join("; ")
  if (differences.length > 0) return more > 0 ? `${shown}; and ${more} more` : shown
  const [missing] = LockConsistency.missingPeers(lock)
  if (missing !== undefined) return `the peer ${missing.name}@${missing.range} is asked for and not locked`
  return "package.json has other sections than it was made for"
}

/**
 * Whether a lock file makes sense: in itself, and beside what the publishers of its packages signed. A
 * lock comes with a project and may be anybody's; what it says of dependencies is believed only where
 * those who ask for them would have got the same. Loads neither schemas nor npm's ranges: `admits`
 * tells whether a version answers a range.
 */
import type { PackageName } from "../core/PackageName.ts"
import { edgesOf, specOf, type Edge, type Wishes } from "./DependencyGraph.ts"
import type { LockedPackage, LockFile } from "./LockShape.ts"

/** What any version answers, a pre-release too where there is nothing else. */
const ANY: ReadonlySet<string> = new Set(["", "*", "latest", "next"])

export const isAny = (range: string): boolean => ANY.has(range.trim())

/** Whether a version may be what a range was answered with. */
export type Admits = (version: string, range: string) => boolean

const labelOf = ({ name, version }: Pick<LockedPackage, "name" | "version">): string => `${name}@${version}`

const ownOf = <A>(record: { readonly [key: string]: A }, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** What `project` has that is no answer to what was asked for. */
const wrongWish = ({ packages, project, wishes }: LockFile, admits: Admits): string | undefined => {
  for (const edge of edgesOf(wishes)) {
    const id = ownOf(project, edge.name)
    if (id === undefined) {
      if (edge.kind === "required") return `the project asks for ${specOf(edge)}, and has nothing for it`
      continue
    }
    const { version } = packages[id]!
    // What nobody else asked for came in some version that others share.
    if (edge.kind !== "optionalPeer" && !admits(version, edge.range)) {
      return `the project asks for ${specOf(edge)}, and has ${edge.name}@${version}`
    }
  }
  return undefined
}

/** What a lock says that cannot be, beyond its shape; `undefined` where it makes sense. */
export const contradictionOf = (lock: LockFile, admits: Admits): string | undefined => {
  const versions = new Set<string>()
  for (const [id, locked] of Object.entries(lock.packages)) {
    const own = labelOf(locked)
    versions.add(own)
    if (id !== own && !id.startsWith(`${own}(`)) return `the entry ${id} is for ${own}`
  }
  for (const [from, dependencies] of [
    ["the project", lock.project] as const,
    ...Object.entries(lock.packages).map(([id, each]) => [id, each.dependencies] as const)
  ]) {
    for (const [name, id] of Object.entries(dependencies)) {
      if (!Object.hasOwn(lock.packages, id)) return `${from} depends on ${name} as ${id}, which is not in it`
      if (lock.packages[id]!.name !== name) return `${from} sees ${id} under the name ${name}`
    }
  }
  for (const [spec, id] of Object.entries(lock.answers)) {
    if (!versions.has(id)) return `${spec} is answered by ${id}, which is not in it`
    const at = id.lastIndexOf("@") + 1
    if (!spec.startsWith(id.slice(0, at))) return `${spec} is answered by ${id}, another package`
    if (!admits(id.slice(at), spec.slice(at))) return `${spec} is answered by ${id}, which is not in that range`
  }
  return wrongWish(lock, admits)
}

/** Peers of the project that the lock has nothing for: it was made when they were optional, or not at all. */
export const missingPeers = ({ project, wishes }: LockFile): ReadonlyArray<Edge> =>
  edgesOf(wishes).filter(({ kind, name }) => kind === "peer" && !Object.hasOwn(project, name))

const isOptional = ({ kind }: Edge): boolean => kind === "optional" || kind === "optionalPeer"
const isPeer = ({ kind }: Edge): boolean => kind === "peer" || kind === "optionalPeer"

/** A peer is missing where the only one who could provide it has it as an optional dependency that nobody has. */
const mayLack = ({ project, wishes }: LockFile, { kind, name }: Edge): boolean =>
  kind === "peer" && !Object.hasOwn(project, name) && Object.hasOwn(wishes.optionalDependencies ?? {}, name)

/** What a locked package sees that is not what its publisher `signed`; `undefined` where it sees just that. */
export const departureOf = (
  lock: LockFile,
  locked: LockedPackage,
  signed: Wishes,
  admits: Admits
): string | undefined => {
  const own = labelOf(locked)
  const edges = new Map<string, Edge>(edgesOf(signed).map((edge) => [edge.name, edge]))
  const optional = new Set<string>(locked.optionalDependencies)
  for (const edge of edges.values()) {
    const spec = specOf(edge)
    if (!isOptional(edge) && optional.has(edge.name)) return `${own} needs ${spec}, which is locked as optional`
    const id = ownOf(locked.dependencies, edge.name)
    if (id === undefined) {
      if (isOptional(edge) || mayLack(lock, edge)) continue
      return `${own} depends on ${spec}, and is locked without it`
    }
    const { version } = lock.packages[id]!
    if (!isPeer(edge) && !admits(version, edge.range)) return `${own} depends on ${spec}, and is locked to ${version}`
  }
  const uninvited = Object.keys(locked.dependencies).find((name) => !edges.has(name))
  return uninvited === undefined ? undefined : `${own} does not depend on ${uninvited}, which is locked for it`
}

/** Peers that a package has to share in versions that do not fit it: as npm has it, a warning. */
export const peerConflicts = (
  lock: LockFile,
  locked: LockedPackage,
  signed: Wishes,
  admits: Admits
): ReadonlyArray<string> =>
  edgesOf(signed).flatMap((edge) => {
    const found = isPeer(edge) ? lock.packages[ownOf(locked.dependencies, edge.name) ?? ""] : undefined
    return found === undefined || admits(found.version, edge.range)
      ? []
      : [`${labelOf(locked)} has to share ${specOf(edge)} with the project, which has ${labelOf(found)}`]
  })

/**
 * What the project sees although neither it nor anything that is installed asks for it. What was left out on this
 * machine is not here to tell: what it sees may be there for its sake.
 */
export const uninvitedOf = (
  lock: LockFile,
  {
    instances,
    project
  }: {
    readonly instances: ReadonlyMap<string, LockedPackage>
    readonly project: ReadonlyMap<PackageName, string>
  },
  signedOf: (id: string) => Wishes | undefined
): string | undefined => {
  const invited = new Set<string>(edgesOf(lock.wishes).map(({ name }) => name))
  const others = [...project.keys()].filter((name) => !invited.has(name))
  if (others.length === 0) return undefined
  for (const [id, { dependencies }] of Object.entries(lock.packages)) {
    const names = instances.has(id) ? signedOf(id)?.peerDependencies : dependencies
    for (const name of Object.keys(names ?? {})) invited.add(name)
  }
  const uninvited = others.find((name) => !invited.has(name))
  return uninvited === undefined ? undefined : `the project has ${uninvited}, for which nothing asks`
}

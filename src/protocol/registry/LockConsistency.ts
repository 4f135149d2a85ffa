/**
 * Whether a lock file makes sense: in itself, and beside what the publishers of its packages signed. A
 * lock comes with a project and may be anybody's; what it says of dependencies is believed only where
 * those who ask for them would have got the same. Loads neither schemas nor npm's ranges: `admits`
 * tells whether a version answers a range.
 */
import type { PackageName } from "../core/PackageName.ts"
import { aimOf, edgeOfSpec, edgesOf, isAlias, specOf, type Edge, type Wishes } from "./DependencyGraph.ts"
import type { LockedPackage, LockFile } from "./LockShape.ts"

/** What any version answers, a pre-release too where there is nothing else. */
const ANY: ReadonlySet<string> = new Set(["", "*", "latest", "next"])

export const isAny = (range: string): boolean => ANY.has(range.trim())

/** Whether a version may be what a range was answered with. */
export type Admits = (version: string, range: string) => boolean

const labelOf = ({ name, version }: Pick<LockedPackage, "name" | "version">): string => `${name}@${version}`

const ownOf = <A>(record: { readonly [key: string]: A }, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** Whether a locked package is what an edge asks for. */
const isAimOf = (edge: Edge, found: LockedPackage, admits: Admits): boolean => {
  const { name, range } = aimOf(edge)
  return found.name === name && admits(found.version, range)
}

/** What `project` has that is no answer to what was asked for. */
const wrongWish = ({ packages, project, wishes }: LockFile, admits: Admits): string | undefined => {
  for (const edge of edgesOf(wishes)) {
    const id = ownOf(project, edge.name)
    if (id === undefined) {
      if (edge.kind === "required") return `the project asks for ${specOf(edge)}, and has nothing for it`
      continue
    }
    const found = packages[id]!
    // What nobody else asked for came in some version that others share.
    if (edge.kind !== "optionalPeer" && !isAimOf(edge, found, admits)) {
      return `the project asks for ${specOf(edge)}, and has ${labelOf(found)}`
    }
  }
  return undefined
}

const aliasKey = (name: string, target: string): string => `${name} ${target}`

/** The aliases among the answers of a lock: which name is said to lead to which other one. */
const aliasesIn = (specs: Iterable<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const spec of specs) {
    const edge = edgeOfSpec(spec)
    if (edge !== undefined && isAlias(edge)) found.add(aliasKey(edge.name, aimOf(edge).name))
  }
  return found
}

/**
 * Whether a name may lead to a package of that name or, where one of the answered `specs` is such an alias, of another
 * one. Anybody can write an answer: who may see what is told by {@link departureOf}.
 */
export const mayLeadTo = (specs: Iterable<string>): ((name: string, target: string) => boolean) => {
  const aliases = aliasesIn(specs)
  return (name, target) => name === target || aliases.has(aliasKey(name, target))
}

/** What is wrong with one of the answers. */
const wrongAnswer = (spec: string, id: string, admits: Admits): string | undefined => {
  const edge = edgeOfSpec(spec)
  const found = edgeOfSpec(id)
  const aim = edge === undefined ? undefined : aimOf(edge)
  if (aim === undefined || aim.name !== found?.name) return `${spec} is answered by ${id}, another package`
  return admits(found.range, aim.range) ? undefined : `${spec} is answered by ${id}, which is not in that range`
}

/** What a lock says that cannot be, beyond its shape; `undefined` where it makes sense. */
export const contradictionOf = (lock: LockFile, admits: Admits): string | undefined => {
  const versions = new Set<string>()
  for (const [id, locked] of Object.entries(lock.packages)) {
    const own = labelOf(locked)
    versions.add(own)
    if (id !== own && !id.startsWith(`${own}(`)) return `the entry ${id} is for ${own}`
  }
  const mayLead = mayLeadTo(Object.keys(lock.answers))
  for (const [from, dependencies] of [
    ["the project", lock.project] as const,
    ...Object.entries(lock.packages).map(([id, each]) => [id, each.dependencies] as const)
  ]) {
    for (const [name, id] of Object.entries(dependencies)) {
      if (!Object.hasOwn(lock.packages, id)) return `${from} depends on ${name} as ${id}, which is not in it`
      if (!mayLead(name, lock.packages[id]!.name)) return `${from} sees ${id} under the name ${name}`
    }
  }
  for (const [spec, id] of Object.entries(lock.answers)) {
    if (!versions.has(id)) return `${spec} is answered by ${id}, which is not in it`
    const wrong = wrongAnswer(spec, id, admits)
    if (wrong !== undefined) return wrong
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

/** What stands under a name that is not its own since somebody asked for it there: by name, ids of instances. */
export type Aliased = ReadonlyMap<string, ReadonlySet<string>>

/** What an installed package is, and what its publisher signed. */
export type SignedOf = (id: string) => Wishes | undefined

/** Asked first, since most locks have none, and warm installs wait for this. */
const hasAliases = ({ packages, project }: LockFile): boolean =>
  [project, ...Object.values(packages).map(({ dependencies }) => dependencies)].some((links) =>
    Object.entries(links).some(([name, id]) => packages[id]?.name !== name)
  )

/**
 * What the project and installed packages have under other names than its own, as the project wishes and as their
 * publishers signed: what is around whoever shares it as a peer. What the lock says of it itself does not count.
 */
export const aliasedIn = (
  lock: LockFile,
  instances: ReadonlyMap<string, LockedPackage>,
  signedOf: SignedOf
): Aliased => {
  const aliased = new Map<string, Set<string>>()
  if (!hasAliases(lock)) return aliased
  const note = (edge: Edge, id: string | undefined) => {
    // An optional peer asks nobody to bring it.
    if (id === undefined || edge.kind === "optionalPeer" || !isAlias(edge)) return
    if (lock.packages[id]?.name !== aimOf(edge).name) return
    aliased.set(edge.name, (aliased.get(edge.name) ?? new Set()).add(id))
  }
  for (const edge of edgesOf(lock.wishes)) note(edge, ownOf(lock.project, edge.name))
  for (const [from, locked] of instances) {
    for (const edge of edgesOf(signedOf(from) ?? {})) {
      // A peer that nobody has is added to the project.
      note(edge, ownOf(isPeer(edge) ? lock.project : locked.dependencies, edge.name))
    }
  }
  return aliased
}

/** Whether a package shares what stands under a name: a package of that name, or what somebody has there. */
const mayShare = ({ packages }: LockFile, edge: Edge, id: string, aliased: Aliased): boolean => {
  const { name } = packages[id]!
  return name === edge.name || name === aimOf(edge).name || aliased.get(edge.name)?.has(id) === true
}

/** What a locked package sees that is not what its publisher `signed`; `undefined` where it sees just that. */
export const departureOf = (
  lock: LockFile,
  locked: LockedPackage,
  signed: Wishes,
  admits: Admits,
  aliased: Aliased = new Map()
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
    const found = lock.packages[id]!
    if (isPeer(edge) ? !mayShare(lock, edge, id, aliased) : !isAimOf(edge, found, admits)) {
      return `${own} depends on ${spec}, and is locked to ${found.name === edge.name ? found.version : labelOf(found)}`
    }
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
    const aim = aimOf(edge)
    const isOther = aim.name !== edge.name && aim.name !== found?.name
    return found === undefined || (admits(found.version, aim.range) && !isOther)
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
  signedOf: SignedOf,
  aliased: Aliased = new Map()
): string | undefined => {
  const asked = edgesOf(lock.wishes)
  const invited = new Set<string>(asked.map(({ name }) => name))
  // What the project asks for was compared with its wishes, but for what it has for the sake of others.
  const own = new Set<string>(asked.flatMap(({ kind, name }) => (kind === "optionalPeer" ? [] : [name])))
  for (const [name, id] of project) {
    const found = lock.packages[id]!
    if (own.has(name) || found.name === name || aliased.get(name)?.has(id) === true) continue
    return `the project has ${labelOf(found)} under the name ${name}, for which nothing asks`
  }
  const others = [...project.keys()].filter((name) => !invited.has(name))
  if (others.length === 0) return undefined
  for (const [id, { dependencies }] of Object.entries(lock.packages)) {
    const names = instances.has(id) ? signedOf(id)?.peerDependencies : dependencies
    for (const name of Object.keys(names ?? {})) invited.add(name)
  }
  const uninvited = others.find((name) => !invited.has(name))
  return uninvited === undefined ? undefined : `the project has ${uninvited}, for which nothing asks`
}

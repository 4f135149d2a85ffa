/** What an install came to, for those who tell it to people or to other programs. */
import type { Applied } from "./ApplyTree.ts"
import type { State } from "./InstalledState.ts"

export interface NamedPackage {
  readonly name: string
  readonly version: string
  /** Base64. */
  readonly publisher: string
}

export interface InstallReport {
  readonly dir: string
  /** What was asked for by name; where nothing was, what the project sees. */
  readonly installed: ReadonlyArray<NamedPackage>
  /** Packages of the tree; one in several versions counts as often. */
  readonly packages: number
  /** `name@version` of what was not there before, and of what is not there any more. */
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  /** Optional packages that were left out, with the reason. */
  readonly left: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
  readonly scripts: {
    /** `name@version` of packages whose scripts ran. */
    readonly run: ReadonlyArray<string>
    /** Names of packages whose scripts would have run, had they been allowed. */
    readonly notRun: ReadonlyArray<string>
  }
  /** Packages in `node_modules` that another package manager put there. */
  readonly foreign: ReadonlyArray<string>
  /** What was pinned to its publisher now, since the name had no pin. */
  readonly pinned: ReadonlyArray<NamedPackage>
  readonly upToDate: boolean
}

const labelsOf = (state: State | undefined): ReadonlySet<string> =>
  new Set(Object.values(state?.packages ?? {}).map(({ name, version }) => `${name}@${version}`))

/** Names of packages whose scripts would have run. */
export const notRunIn = ({ packages }: State): ReadonlyArray<string> =>
  [...new Set(Object.values(packages).flatMap(({ name, notRun }) => (notRun === undefined ? [] : [name])))].toSorted()

/** What the project sees. */
export const visibleIn = ({ packages, project }: State): ReadonlyArray<NamedPackage> =>
  Object.values(project).flatMap((directory) => {
    const each = packages[directory]
    return each === undefined ? [] : [{ name: each.name, version: each.version, publisher: each.publisher }]
  })

/** Whether the project sees the same packages: one of its own may become one that only others need. */
const seesSame = (before: State | undefined, after: State): boolean => {
  const seen = (state: State | undefined) => JSON.stringify(Object.entries(state?.project ?? {}).toSorted())
  return seen(before) === seen(after)
}

export const make = (result: {
  readonly directory: string
  readonly before: State | undefined
  readonly applied: Applied
  readonly named: ReadonlyArray<NamedPackage>
  readonly left: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
  readonly foreign: ReadonlyArray<string>
  readonly pinned?: ReadonlyArray<NamedPackage>
}): InstallReport => {
  const { applied, before, directory, foreign, left, named, pinned = [], warnings } = result
  const { built, placed, state } = applied
  const [then, now] = [labelsOf(before), labelsOf(state)]
  const added = [...now].filter((label) => !then.has(label)).toSorted()
  const removed = [...then].filter((label) => !now.has(label)).toSorted()
  return {
    dir: directory,
    installed: named.length === 0 ? visibleIn(state) : named,
    packages: now.size,
    added,
    removed,
    left,
    warnings,
    scripts: { run: built, notRun: notRunIn(state) },
    foreign,
    pinned,
    upToDate: placed.length === 0 && added.length === 0 && removed.length === 0 && seesSame(before, state)
  }
}

/** Of an install that found nothing to do. */
export const unchanged = (directory: string, state: State): InstallReport => ({
  dir: directory,
  installed: visibleIn(state),
  packages: labelsOf(state).size,
  added: [],
  removed: [],
  left: [],
  warnings: [],
  scripts: { run: [], notRun: notRunIn(state) },
  foreign: [],
  pinned: [],
  upToDate: true
})

const counted = (count: number): string => (count === 1 ? "1 package" : `${count} packages`)

/** One line for people, who asked for something by name. */
export const installedLine = ({ added, dir, packages, removed, upToDate }: InstallReport): string => {
  const changes = [
    ...(upToDate ? ["everything was there"] : []),
    ...(added.length > 0 ? [`${added.length} added`] : []),
    ...(removed.length > 0 ? [`${removed.length} removed`] : [])
  ]
  if (added.length === 0 && removed.length > 0) {
    return `Removed ${counted(removed.length)} from ${dir}/node_modules (${counted(packages)} left)`
  }
  return `Installed ${counted(packages)} into ${dir}/node_modules${changes.length === 0 ? "" : ` (${changes.join(", ")})`}`
}

/** One line for people. */
export const summary = (report: InstallReport): string =>
  report.upToDate ? `Up to date: ${counted(report.packages)} in ${report.dir}/node_modules` : installedLine(report)

/** The tree of a project for the commands that show it: as it is installed, else as it is locked. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidProject } from "../../runtime/install/InstallError.ts"
import * as InstalledState from "../../runtime/install/InstalledState.ts"
import * as Project from "./Project.ts"

export interface Package {
  readonly name: string
  readonly version: string
  /** Base64. */
  readonly publisher: string
  /** By name: keys of the tree's packages. */
  readonly dependencies: { readonly [name: string]: string }
  readonly notRun?: ReadonlyArray<string>
}

export interface Tree {
  readonly packages: { readonly [key: string]: Package }
  readonly project: { readonly [name: string]: string }
  readonly isInstalled: boolean
}

/** Ends what a killed install of the project has left, before anybody looks at its tree. */
export const settle = Effect.fnUntraced(function* (directory: string) {
  if (!InstalledState.isPending(directory)) return
  const { settle: undo } = yield* Effect.promise(() => import("../../runtime/install/InstallSite.ts"))
  yield* Effect.provide(undo(directory), NodeCrypto.layerSecureRandom)
})

/** `directory` is absolute. Fails where there is neither. */
export const read = Effect.fnUntraced(function* (directory: string) {
  yield* settle(directory)
  const state = InstalledState.read(directory)
  if (state !== undefined) return { ...state, isInstalled: true } satisfies Tree
  const lock = Option.getOrUndefined(yield* Project.lock(directory))
  if (lock !== undefined) {
    const { packages, project } = lock
    return { packages, project: Object.fromEntries(Object.entries(project)), isInstalled: false } satisfies Tree
  }
  return yield* new InvalidProject({
    location: directory,
    problem: "nothing was installed or locked there by ls-cli",
    isEmpty: true
  })
})

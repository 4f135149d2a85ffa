/**
 * Instances in `node_modules/.libreseed` that nothing speaks of: those of the tree before, and what killed
 * or failed installs had put in place. To be removed while holding the lock, and only where every install
 * has come to its end, since the links of one that has not may lead to them.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as InstalledState from "./InstalledState.ts"
import * as InstanceNames from "./InstanceNames.ts"

/** Whether an install has left something to be brought to its end. */
const isPending = Effect.fnUntraced(function* (modules: string) {
  const fs = yield* FileSystem.FileSystem
  return (yield* fs.readDirectory(modules)).some((name) => name.startsWith(InstalledState.STAGING_PREFIX))
})

/** Everything, where an install that was the first of its project came to nothing. */
export const removeAll = Effect.fnUntraced(
  function* (project: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const modules = InstalledState.modulesOf(project)
    if (InstalledState.read(project) !== undefined || (yield* isPending(modules))) return
    yield* fs.remove(path.join(modules, InstalledState.VIRTUAL), { recursive: true, force: true })
  },
  (removal) => Effect.ignore(removal)
)

/** What cannot be removed now is tried again with the next install. */
export const remove = Effect.fnUntraced(
  function* (project: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const modules = InstalledState.modulesOf(project)
    const state = InstalledState.read(project)
    // Without a state nobody knows what is in use.
    if (state === undefined) return
    if (yield* isPending(modules)) return
    const virtual = path.join(modules, InstalledState.VIRTUAL)
    for (const name of yield* fs.readDirectory(virtual)) {
      if (Object.hasOwn(state.packages, name) || !InstanceNames.PATTERN.test(name)) continue
      yield* fs.remove(path.join(virtual, name), { recursive: true, force: true })
    }
  },
  (removal) => Effect.ignore(removal)
)

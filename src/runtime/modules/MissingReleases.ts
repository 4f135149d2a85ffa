/**
 * What of a lock file does not lie in the store as it was unpacked. Light, and without waiting: every
 * program that is run begins with this look, and as a rule nothing is missing.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as UnpackedIndex from "../store/UnpackedIndex.ts"
import type { Instance, LockedModules } from "./LockedModules.ts"
import * as ModuleStore from "./ModuleStore.ts"

/** Whether a release is there and none of its files was written to, by the quick look at size, time and mode. */
const intact = (store: ModuleStore.ModuleStore, instance: Instance): UnpackedIndex.UnpackedIndex | undefined => {
  const contentHash = store.contentHashOf(instance)
  const index = contentHash === undefined ? undefined : UnpackedIndex.intact(store.files, contentHash)
  return index?.vouched.includes(UnpackedIndex.vouchOf(instance)) === true ? index : undefined
}

/** How far the time of a file that had to be copied may be from that of its original, in ms: FAT keeps it in such steps. */
const COPIED_TIME_MS = 2000

/** Whether a file is what was made where there could be no hard link, and nobody wrote to it. */
const isCopied = (
  directory: string,
  [path, size, mtimeMs, mode]: UnpackedIndex.UnpackedIndex["files"][number]
): boolean => {
  const info = Fs.lstatSync(Path.join(directory, path), { throwIfNoEntry: false })
  if (info?.isFile() !== true || info.size !== size || (info.mode & 0o777) !== mode) return false
  return info.mtimeMs === mtimeMs || (info.nlink === 1 && Math.abs(info.mtimeMs - mtimeMs) <= COPIED_TIME_MS)
}

const isUnchanged = (directory: string, index: UnpackedIndex.UnpackedIndex): boolean =>
  UnpackedIndex.changed(directory, index) === undefined || index.files.every((file) => isCopied(directory, file))

/** Of files that stand in several places, the further ones: made anew where somebody wrote to their files. */
const isPlaced = (store: ModuleStore.ModuleStore, instance: Instance, index: UnpackedIndex.UnpackedIndex): boolean => {
  if (instance.copy === 0) return true
  const directory = store.directoryOf(instance)
  if (directory === undefined) return false
  if (isUnchanged(directory, index)) return true
  Fs.rmSync(directory, { recursive: true, force: true })
  return store.directoryOf(instance) !== undefined
}

/**
 * Ids of what is locked and not in the store. Waits for nothing, and is quick where nothing is missing. Throws as
 * `node:fs` does where the store cannot be used.
 */
export const missing = (home: string, { instances }: LockedModules): ReadonlyArray<string> => {
  const store = ModuleStore.open(home)
  return [...ModuleStore.placed(store, instances).values()].flatMap((instance) => {
    const index = intact(store, instance)
    return index !== undefined && isPlaced(store, instance, index) ? [] : [instance.id]
  })
}

/** A project as it lies on disk, for the commands that read it: what its package.json asks for, and its lock file. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePathLayer from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as NodePath from "node:path"
import type * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import { InvalidProject } from "../../runtime/install/InstallError.ts"
import * as ProjectFile from "../../runtime/install/ProjectFile.ts"
import * as ProjectLock from "../../runtime/install/ProjectLock.ts"

const platform = Layer.mergeAll(NodeFileSystem.layer, NodePathLayer.layer)

export const LOCK_FILE = LockFile.FILE_NAME

const requireDirectory = Effect.fnUntraced(function* (dir: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(dir))
  if (Option.isSome(info) && info.value.type === "Directory") return
  return yield* new InvalidProject({
    location: dir,
    problem: Option.isNone(info) ? "it does not exist" : "it is not a directory"
  })
})

/**
 * What package.json asks for, what is needed for development among it; `None` where there is no
 * package.json. A directory that does not exist is `InvalidProject`.
 */
export const wishes = Effect.fnUntraced(function* (dir: string) {
  yield* requireDirectory(dir)
  const file = yield* ProjectFile.read(dir)
  return file.text === undefined
    ? Option.none<DependencyGraph.Wishes>()
    : Option.some<DependencyGraph.Wishes>(ProjectFile.wishesOf(file))
}, Effect.provide(platform))

/** Where the lock file lies. */
export const lockLocation = (dir: string): string => NodePath.join(dir, LockFile.FILE_NAME)

/** `None` where there is no lock file. */
export const lock = Effect.fnUntraced(function* (dir: string) {
  const known = yield* ProjectLock.read(dir)
  return known === undefined ? Option.none<LockFile.LockFile>() : Option.some(known.lock)
}, Effect.provide(platform))

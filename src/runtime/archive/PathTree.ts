/**
 * The tree of paths that an archive has named so far. Finds entries that would meet in one place on
 * a file system that folds case or Unicode forms, and files that are used as directories.
 */
import * as Result from "effect/Result"
import { foldedKey } from "./EntryPath.ts"

/** `children` by folded name; a file has none. */
interface Node {
  readonly name: string
  readonly children: Map<string, Node> | undefined
}

/** What a new entry collides with: the path that was there first. */
export interface Collision {
  readonly first: string
  readonly collision: "same path" | "letter case or Unicode form" | "file and directory"
}

export class PathTree {
  private readonly root = new Map<string, Node>()

  /** Adds a path and its parents; succeeds with the number of directories that were new. */
  add(components: ReadonlyArray<string>, isFile: boolean): Result.Result<number, Collision> {
    let siblings = this.root
    let newDirectories = 0
    for (const [depth, name] of components.entries()) {
      const wantsFile = isFile && depth === components.length - 1
      const key = foldedKey(name)
      const there = siblings.get(key)
      if (there === undefined) {
        const children = wantsFile ? undefined : new Map<string, Node>()
        siblings.set(key, { name, children })
        if (children === undefined) break
        newDirectories++
        siblings = children
        continue
      }
      const first = [...components.slice(0, depth), there.name].join("/")
      if (there.name !== name) return Result.fail({ first, collision: "letter case or Unicode form" })
      if ((there.children === undefined) !== wantsFile) return Result.fail({ first, collision: "file and directory" })
      if (there.children === undefined) return Result.fail({ first, collision: "same path" })
      siblings = there.children
    }
    return Result.succeed(newDirectories)
  }
}

import { assert, describe, it } from "@effect/vitest"
import * as StorageHint from "../../../src/protocol/core/StorageHint.ts"

describe("StorageHint", () => {
  it.each([
    ["ENOSPC: no space left on device, write", /store prune.*<home>\/downloads/],
    ["database or disk is full", /store prune/],
    ["EROFS: read-only file system, mkdir '/h/keys'", /read-only.*--home/],
    ["EACCES: permission denied", /^Otherwise\.$/]
  ])("says what to do about: %s", (problem, hint) => {
    assert.match(StorageHint.of(problem, "Otherwise."), hint)
  })
})

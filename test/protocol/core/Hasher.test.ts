import { assert, it } from "@effect/vitest"
import { sha1, sha256 } from "../../../src/protocol/core/Digest.ts"
import { Hasher } from "../../../src/protocol/core/Hasher.ts"
import * as NodeHasher from "../../../src/runtime/crypto/NodeHasher.ts"
import { hasherSuite } from "./HasherSuite.ts"

hasherSuite("noble", Hasher.layerNoble)
hasherSuite("node:crypto", NodeHasher.layer)

it("Digest gives the published digests", () => {
  const abc = new TextEncoder().encode("abc")
  assert.strictEqual(Buffer.from(sha1(abc)).toString("hex"), "a9993e364706816aba3e25717850c26c9cd0d89d")
  assert.strictEqual(
    Buffer.from(sha256(abc)).toString("hex"),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
  )
})

/** The published files are what the generator makes, and have the form that their README promises. */
import { assert, describe, it } from "@effect/vitest"
import { hashes, verify } from "@noble/ed25519"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { flipBit, key, sha512, text } from "./generator/Cast.ts"
import * as Forgeries from "./generator/Forgeries.ts"
import { type Case, directory, load, read } from "./PublishedFiles.ts"
import { published } from "./PublishedVectors.ts"

/** Set to write the files anew, after a change that is meant. */
const isUpdating = process.env["LIBRESEED_UPDATE_VECTORS"] === "1"

/** A file should open in an editor without a thought. */
const FILE_MAX_CHARS = 160_000

if (isUpdating) {
  for (const [file, made] of published) Fs.writeFileSync(Path.join(directory, file), made)
}

describe("the published vectors", () => {
  it("are the files of the generator, and no others", () => {
    assert.deepStrictEqual(Fs.readdirSync(directory).toSorted(), [...published.keys()].toSorted())
  })

  for (const [file, made] of published) {
    it(`are what the generator makes: ${file}`, () => {
      assert.isTrue(read(file) === made, `${file} is stale: run with LIBRESEED_UPDATE_VECTORS=1`)
    })

    it(`give every case of ${file} a name of its own, and every refusal a reason`, () => {
      const { cases } = load<{ readonly cases: ReadonlyArray<Case> }>(file)
      assert.strictEqual(new Set(cases.map(({ name }) => name)).size, cases.length)
      for (const { name, reason, valid } of cases) assert.strictEqual(reason === undefined, valid, name)
      assert.isAtLeast(cases.filter(({ valid }) => valid).length, 4)
      assert.isAtLeast(cases.filter(({ valid }) => !valid).length, 8)
    })

    it(`are small enough to read: ${file}`, () => {
      assert.isAtMost(made.length, FILE_MAX_CHARS)
    })
  }

  it("are described in the README", () => {
    const readme = Fs.readFileSync(Path.join(import.meta.dirname, "README.md"), "utf8")
    for (const file of published.keys()) assert.include(readme, `\`${file}\``)
  })
})

describe("the forged signatures of the published vectors", () => {
  const by = key("publisher")
  const message = text("a message")
  /** The cofactored equation, without a look at the encodings: what many verifiers do. */
  const isTakenElsewhere = (signature: Uint8Array, publicKey: Uint8Array): boolean =>
    verify(signature, message, publicKey, { zip215: true })

  it("are taken by a verifier that is less strict", () => {
    hashes.sha512 = sha512
    assert.isTrue(isTakenElsewhere(Forgeries.withSmallOrderR(by, message), by.publicKey))
    assert.isTrue(isTakenElsewhere(Forgeries.cofactored(by, message), by.publicKey))
    assert.isTrue(isTakenElsewhere(Forgeries.underIdentity(), Forgeries.IDENTITY))
    assert.isFalse(isTakenElsewhere(flipBit(Forgeries.cofactored(by, message), 300), by.publicKey))
  })
})

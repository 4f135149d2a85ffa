import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Zlib from "node:zlib"
import { extract, inspect } from "../src/runtime/archive/Extract.ts"
import { pack } from "../src/runtime/archive/Pack.ts"
import * as Sandbox from "../test/runtime/archive/Sandbox.ts"
import { checksummed, gzip, packageJson, tar } from "../test/runtime/archive/TarBuilder.ts"
import { runsUpTo } from "./Runs.ts"

const run = <A, E>(
  effect: (sandbox: Sandbox.Sandbox) => Effect.Effect<A, E, Layer.Success<typeof Sandbox.layer>>
): Promise<A> =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(Sandbox.make, effect)).pipe(Effect.provide(Sandbox.layer)))

/** Small letters only, and directories told from files, so that no two names of a tree collide. */
const word = fc.stringMatching(/^[a-z\u00e9\u4e2d]{1,12}$/u)
const path = fc
  .tuple(fc.array(word, { maxLength: 4 }), word)
  .map(([directories, name]) => [...directories.map((directory) => `${directory}-d`), `${name}.js`].join("/"))
const content = fc.oneof(fc.uint8Array({ maxLength: 2000 }), fc.constantFrom(new Uint8Array(0), new Uint8Array(512)))
const tree = fc.dictionary(path, fc.record({ content, isExecutable: fc.boolean() }), { maxKeys: 12 })

const sound = tar([
  packageJson,
  { path: "package/lib", type: "dir" },
  { path: "package/lib/a.js", type: "file", content: "a".repeat(700) },
  { path: "package/caf\u00e9.js", type: "file", pax: { path: "package/caf\u00e9.js", mtime: "1" } },
  { path_repeat: ["package/", ["directory/", 12], "x"], type: "file" }
])

describe("archives", () => {
  it("unpacking a packed tree gives the tree back", () =>
    fc.assert(
      fc.asyncProperty(tree, (files) =>
        run(({ root, destination }) =>
          Effect.gen(function* () {
            const directory = Path.join(root, "source")
            Fs.mkdirSync(directory)
            Fs.writeFileSync(Path.join(directory, "package.json"), packageJson.content!)
            for (const [name, { content, isExecutable }] of Object.entries(files)) {
              const file = Path.join(directory, name)
              Fs.mkdirSync(Path.dirname(file), { recursive: true })
              Fs.writeFileSync(file, content)
              Fs.chmodSync(file, isExecutable ? 0o755 : 0o644)
            }
            const { tarball } = yield* pack(directory)
            assert.deepStrictEqual((yield* pack(directory)).tarball, tarball)
            yield* extract(Sandbox.source(tarball), destination)
            assert.deepStrictEqual(Sandbox.snapshot(destination), Sandbox.snapshot(directory))
          })
        )
      ),
      runsUpTo(30)
    ))

  const damages = (bytes: Uint8Array) =>
    fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 })

  const damaged = (bytes: Uint8Array, changes: ReadonlyArray<readonly [number, number]>): Buffer => {
    const copy = Buffer.from(bytes)
    for (const [at, mask] of changes) copy[at]! ^= mask
    return copy
  }

  const headers = Array.from({ length: sound.length / 512 }, (_, block) => block * 512).filter(
    (at) => sound.toString("latin1", at + 257, at + 262) === "ustar"
  )

  /** Where the bytes of a header mean something: name, mode, size, type, magic, prefix. */
  const headerDamages = fc.array(
    fc.tuple(
      fc
        .tuple(
          fc.constantFrom(...headers),
          fc.oneof(
            fc.nat(107),
            fc.integer({ min: 124, max: 135 }),
            fc.constant(156),
            fc.integer({ min: 257, max: 360 })
          )
        )
        .map(([header, offset]) => header + offset),
      fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 255 }))
    ),
    { minLength: 1, maxLength: 3 }
  )

  /** Whatever the bytes: a typed error and no trace, or exactly what is listed, at the destination alone. */
  const unpacksOrRefuses = (bytes: Uint8Array) =>
    run(({ root, destination }) =>
      Effect.gen(function* () {
        const before = Sandbox.snapshot(root)
        const inspected = yield* Effect.result(inspect(Sandbox.source(bytes)))
        const extracted = yield* Effect.result(extract(Sandbox.source(bytes, 100), destination))
        assert.strictEqual(extracted._tag, inspected._tag)
        if (Result.isFailure(extracted)) {
          Sandbox.assertExplained(extracted.failure)
          assert.deepStrictEqual(Sandbox.snapshot(root), before)
          return
        }
        assert.deepStrictEqual(extracted, inspected)
        Sandbox.assertUnpacked(destination, extracted.success)
        Fs.rmSync(destination, { recursive: true })
        assert.deepStrictEqual(Sandbox.snapshot(root), before)
      })
    )

  it("a damaged archive inside a sound gzip member never escapes: it is refused or unpacks as listed", () =>
    fc.assert(
      fc.asyncProperty(damages(sound), (changes) => unpacksOrRefuses(gzip(damaged(sound, changes)))),
      runsUpTo(150)
    ))

  it("a damaged archive whose header checksums were put right is refused or unpacks as listed", () =>
    fc.assert(
      fc.asyncProperty(headerDamages, (changes) => {
        const bytes = damaged(sound, changes)
        for (const at of headers) checksummed(bytes.subarray(at, at + 512))
        return unpacksOrRefuses(gzip(bytes))
      }),
      runsUpTo(150)
    ))

  it("any damage to the compressed bytes is refused, unless they still say the same", () => {
    const archive = gzip(sound)
    /** Deflate has many spellings of one text: a copy from elsewhere of the same bytes is no damage. */
    const saysTheSame = (bytes: Buffer): boolean => {
      try {
        return Zlib.gunzipSync(bytes).equals(sound)
      } catch {
        return false
      }
    }
    return fc.assert(
      fc.asyncProperty(damages(archive), async (changes) => {
        const bytes = damaged(archive, changes)
        await unpacksOrRefuses(bytes)
        if (saysTheSame(bytes)) return
        const result = await run(() => Effect.result(inspect(Sandbox.source(bytes))))
        assert.isTrue(Result.isFailure(result))
      }),
      runsUpTo(100)
    )
  })

  it("any cut of an archive is refused", () => {
    const archive = gzip(sound)
    return fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), async (length) => {
        const cut = archive.subarray(0, length)
        assert.isTrue(Result.isFailure(await run(() => Effect.result(inspect(Sandbox.source(cut))))))
      }),
      runsUpTo(100)
    )
  })

  it("bytes of any kind are refused or listed, never thrown on", () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 4096 }), async (bytes) => {
        await unpacksOrRefuses(bytes)
        await unpacksOrRefuses(gzip(bytes))
      }),
      runsUpTo(100)
    ))
})

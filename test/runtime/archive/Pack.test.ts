import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Zlib from "node:zlib"
import packlist from "npm-packlist"
import { extract as tarExtract, list as tarList } from "tar"
import type { ArchiveError } from "../../../src/runtime/archive/ArchiveError.ts"
import { extract, inspect } from "../../../src/runtime/archive/Extract.ts"
import { pack } from "../../../src/runtime/archive/Pack.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import * as Sandbox from "./Sandbox.ts"

const modules = Path.resolve(import.meta.dirname, "../../../node_modules")

/** A directory with these files; a value of `->target` makes a link. */
const directoryOf = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const { root } = yield* Sandbox.make
  const directory = Path.join(root, "source")
  for (const [name, content] of Object.entries(files)) {
    const path = Path.join(directory, name)
    Fs.mkdirSync(Path.dirname(path), { recursive: true })
    if (content.startsWith("->")) Fs.symlinkSync(content.slice(2), path)
    else Fs.writeFileSync(path, content)
  }
  return { directory, destination: Path.join(root, "unpacked"), root }
})

const manifest = (more: object = {}) => JSON.stringify({ name: "a", version: "1.0.0", ...more })

const names = (files: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const { directory } = yield* directoryOf(files)
    return (yield* pack(directory)).files.map(({ path }) => path)
  })

const cannot = (files: Readonly<Record<string, string>>, problem: RegExp) =>
  Effect.gen(function* () {
    const { directory } = yield* directoryOf(files)
    const { reason }: ArchiveError = yield* Effect.flip(pack(directory))
    assert.strictEqual(reason._tag, "CannotPack")
    assert.match(reason.message, problem)
    assert.isAbove(reason.hint.length, 0)
    assert.strictEqual(reason.exitCode, 2)
  })

const scope = <A, E>(effect: Effect.Effect<A, E, Layer.Success<typeof Sandbox.layer> | Scope.Scope>) =>
  Effect.provide(effect, Sandbox.layer)

describe("pack", () => {
  for (const name of ["semver", "ms", "@noble/hashes"]) {
    it.effect(`packs ${name} so that it unpacks byte for byte, by us and by npm's tar`, () =>
      Effect.gen(function* () {
        const directory = Path.join(modules, name)
        const packed = yield* pack(directory)
        const { root, destination } = yield* Sandbox.make
        const listing = yield* extract(Sandbox.source(packed.tarball), destination)
        assert.deepStrictEqual({ ...listing, tarball: packed.tarball }, packed)
        Sandbox.assertUnpacked(destination, listing)
        for (const { path } of listing.files) {
          assert.deepStrictEqual(
            Fs.readFileSync(Path.join(destination, path)),
            Fs.readFileSync(Path.join(directory, path))
          )
        }
        const npm = Path.join(root, "npm")
        const tgz = Path.join(root, "a.tgz")
        Fs.mkdirSync(npm)
        Fs.writeFileSync(tgz, packed.tarball)
        tarExtract({ file: tgz, cwd: npm, strip: 1, strict: true, sync: true })
        Sandbox.assertUnpacked(npm, listing)
      }).pipe(scope)
    )
  }

  it.effect("chooses the files that npm chooses", () =>
    Effect.gen(function* () {
      const directory = Path.join(modules, "semver")
      const json: Record<string, unknown> = JSON.parse(Fs.readFileSync(Path.join(directory, "package.json"), "utf8"))
      const edgesOut = new Map<string, never>()
      const chosen = yield* Effect.promise(() =>
        packlist({ path: directory, package: json, isProjectRoot: true, edgesOut })
      )
      const { files } = yield* pack(directory)
      assert.deepStrictEqual(
        files.map(({ path }) => path),
        chosen.toSorted((a, b) => (a < b ? -1 : 1))
      )
    }).pipe(scope)
  )

  it.effect("packs the same bytes twice, from anywhere, whatever dates and modes the files have", () =>
    Effect.gen(function* () {
      const files = { "package.json": manifest(), "b.js": "b", "a/c.js": "c", "\u00e9.js": "e" }
      const one = yield* directoryOf(files)
      const other = yield* directoryOf(files)
      Fs.utimesSync(Path.join(other.directory, "b.js"), 1, 1)
      Fs.chmodSync(Path.join(other.directory, "b.js"), 0o600)
      const first = yield* pack(one.directory)
      assert.deepStrictEqual(yield* pack(one.directory), first)
      assert.deepStrictEqual((yield* pack(other.directory)).tarball, first.tarball)
    }).pipe(scope)
  )

  it.effect("writes npm's date, no owner, one of two modes, and an anonymous gzip header", () =>
    Effect.gen(function* () {
      const { directory, root } = yield* directoryOf({
        "package.json": manifest({ bin: { a: "./cli.js" } }),
        "cli.js": "#!",
        run: "#!"
      })
      Fs.chmodSync(Path.join(directory, "run"), 0o4711)
      const { tarball } = yield* pack(directory)
      assert.deepStrictEqual([...tarball.subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255])
      const tgz = Path.join(root, "a.tgz")
      Fs.writeFileSync(tgz, tarball)
      const seen: Array<string> = []
      tarList({
        file: tgz,
        sync: true,
        strict: true,
        onReadEntry: ({ path, mode, mtime, uid, uname }) => {
          seen.push([path, mode?.toString(8), mtime?.toISOString(), uid, uname].join(" "))
        }
      })
      const same = "1985-10-26T08:15:00.000Z 0 "
      assert.deepStrictEqual(seen, [
        `package/cli.js 755 ${same}`,
        `package/package.json 644 ${same}`,
        `package/run 755 ${same}`
      ])
    }).pipe(scope)
  )

  it.effect("packs names that ustar splits, that need a pax header, and that begin with @", () =>
    Effect.gen(function* () {
      const files = [
        "a".repeat(92),
        "a".repeat(93),
        "a".repeat(255),
        `${"d/".repeat(70)}x`,
        `${"d".repeat(160)}/x`,
        "\u{1f4a9}",
        "@x/y"
      ]
      const { directory, destination } = yield* directoryOf({
        "package.json": manifest(),
        ...Object.fromEntries(files.map((name) => [name, name]))
      })
      const packed = yield* pack(directory)
      assert.sameMembers(
        packed.files.map(({ path }) => path),
        ["package.json", ...files]
      )
      Sandbox.assertUnpacked(destination, yield* extract(Sandbox.source(packed.tarball), destination))
      const seen: Array<string> = []
      const parser = tarList({ sync: true, strict: true, onReadEntry: ({ path }) => void seen.push(path) })
      parser.end(Buffer.from(Zlib.gunzipSync(packed.tarball)))
      assert.sameMembers(
        seen,
        ["package.json", ...files].map((name) => `package/${name}`)
      )
    }).pipe(scope)
  )

  it.effect("leaves out links, as npm does, wherever they point", () =>
    Effect.gen(function* () {
      const files = {
        "package.json": manifest({ files: ["lib", "out", "in", "dir"] }),
        "lib/a.js": "a",
        out: "->/etc/passwd",
        in: "->lib/a.js",
        dir: "->lib",
        "lib/up": "->.."
      }
      assert.deepStrictEqual(yield* names(files), ["lib/a.js", "package.json"])
    }).pipe(scope)
  )

  it.effect("leaves out node_modules, .git and .npmrc, and obeys files and .npmignore", () =>
    Effect.gen(function* () {
      const hidden = { "node_modules/b/i.js": "", ".git/config": "", ".npmrc": "//r/:_authToken=secret" }
      assert.deepStrictEqual(yield* names({ "package.json": manifest(), "a.js": "", ...hidden }), [
        "a.js",
        "package.json"
      ])
      assert.deepStrictEqual(
        yield* names({
          "package.json": manifest({ files: ["a.js"], bin: "b.js" }),
          "a.js": "",
          "b.js": "",
          "c.js": ""
        }),
        ["a.js", "b.js", "package.json"]
      )
      assert.deepStrictEqual(
        yield* names({ "package.json": manifest(), ".npmignore": "b.js", "a.js": "", "b.js": "" }),
        ["a.js", "package.json"]
      )
    }).pipe(scope)
  )

  it.effect("survives fields of package.json that have wrong types", () =>
    Effect.gen(function* () {
      for (const wrong of [
        { files: "lib" },
        { files: [1, null, "a.js"] },
        { bin: [3] },
        { bin: 7, main: {}, browser: { "a.js": false } }
      ]) {
        assert.include(yield* names({ "package.json": manifest(wrong), "a.js": "" }), "a.js")
      }
    }).pipe(scope)
  )

  it.effect("says what is wrong with a directory that is no package", () =>
    Effect.gen(function* () {
      yield* cannot({ "a.js": "" }, /has no package\.json/)
      yield* cannot({ "package.json": "{" }, /is not JSON/)
      yield* cannot({ "package.json": "[]" }, /is not an object/)
      yield* cannot({ "package.json": '{"version":"1.0.0"}' }, /has no "name"/)
      yield* cannot({ "package.json": '{"name":"a","version":1}' }, /has no "version"/)
      yield* cannot({ "package.json": manifest({ bundleDependencies: ["b"] }) }, /bundles dependencies/)
    }).pipe(scope)
  )

  it.effect("refuses to pack what nobody could unpack", () =>
    Effect.gen(function* () {
      for (const name of ["a:b", "con.js", "trailing.", "back\\slash", "new\nline"]) {
        yield* cannot({ "package.json": manifest(), [name]: "" }, /nobody could unpack it/)
      }
      yield* cannot({ "package.json": manifest(), "a.js": "", "A.js": "" }, /collides/)
    }).pipe(scope)
  )

  it.effect("refuses a package beyond the limits before reading it whole", () =>
    Effect.gen(function* () {
      const { directory } = yield* directoryOf({ "package.json": manifest(), big: "x".repeat(5000) })
      const size = manifest().length + 5000
      yield* pack(directory, { unpackedBytes: size })
      const { reason } = yield* Effect.flip(pack(directory, { unpackedBytes: size - 1 }))
      assert.deepInclude(reason, { _tag: "ArchiveTooLarge", limit: "unpackedBytes" })
    }).pipe(scope)
  )

  it.effect("writes nothing", () =>
    Effect.gen(function* () {
      const { directory, root } = yield* directoryOf({ "package.json": manifest(), "a.js": "a" })
      const before = Sandbox.snapshot(root)
      const faulty = FaultyFileSystem.layer({ failAfterWrites: 0, code: "EIO" }).pipe(Layer.provide(Sandbox.layer))
      const { tarball } = yield* Effect.provide(pack(directory), faulty)
      assert.lengthOf((yield* inspect(Sandbox.source(tarball))).files, 2)
      assert.deepStrictEqual(Sandbox.snapshot(root), before)
    }).pipe(scope)
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Zlib from "node:zlib"
import type { ArchiveError } from "../../../src/runtime/archive/ArchiveError.ts"
import type { ArchiveLimits } from "../../../src/runtime/archive/ArchiveLimits.ts"
import { extract, inspect } from "../../../src/runtime/archive/Extract.ts"
import { PIECE_BYTES } from "../../../src/runtime/archive/PackageListing.ts"
import { node, StagingDisk } from "../../../src/runtime/archive/StagingDisk.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import * as FaultyDisk from "./FaultyDisk.ts"
import { patched } from "./Generated.ts"
import * as Sandbox from "./Sandbox.ts"
import { END, type Entry, entry, gzip, header, packageJson, padded, paxHeader, tar, tgz } from "./TarBuilder.ts"

const file = (path: string, content = "x", more: Partial<Entry> = {}): Entry => ({
  path: `package/${path}`,
  type: "file",
  content,
  ...more
})

/** As it arrives, and at once: both have to come to the same. */
const list = (bytes: Uint8Array, limits?: Partial<ArchiveLimits>) =>
  Effect.result(inspect(Sandbox.source(bytes), limits)).pipe(
    Effect.tap((streamed) => Effect.sync(() => Sandbox.assertSameWhole(bytes, limits, streamed))),
    Effect.flatMap(Effect.fromResult)
  )

const reasonOf = (effect: Effect.Effect<unknown, ArchiveError>) =>
  Effect.map(Effect.flip(effect), (error) => Sandbox.assertExplained(error).reason)

const refuses = (bytes: Uint8Array, tag: ArchiveError["reason"]["_tag"], limits?: Partial<ArchiveLimits>) =>
  Effect.map(reasonOf(list(bytes, limits)), (reason) => {
    assert.strictEqual(reason._tag, tag, reason.message)
    return reason
  })

const paths = (bytes: Uint8Array) => Effect.map(list(bytes), ({ files }) => files.map(({ path }) => path))

describe("inspect", () => {
  it.effect("lists files below the root, sorted by the bytes of their paths", () =>
    Effect.gen(function* () {
      const entries = ["z", "a/b", "a.js", "\u{1f4a9}", "\u{fb50}", "B"].map((path) => file(path))
      assert.deepStrictEqual(yield* paths(tgz([...entries, packageJson])), [
        "B",
        "a.js",
        "a/b",
        "package.json",
        "z",
        "\u{fb50}",
        "\u{1f4a9}"
      ])
    })
  )

  it.effect("gives size, hash, package.json and one of two modes", () =>
    Effect.gen(function* () {
      const archive = tgz([packageJson, file("run", "#!", { mode: "4701" }), file("plain", "abc", { mode: "2666" })])
      const listing = yield* list(archive)
      const [manifest, plain, run] = [listing.files[0]!, listing.files[1]!, listing.files[2]!]
      assert.deepStrictEqual([run.path, run.mode, run.size], ["run", 0o755, 2])
      assert.deepStrictEqual([plain.path, plain.mode, plain.size], ["plain", 0o644, 3])
      assert.deepStrictEqual(Buffer.from(plain.sha256), Sandbox.sha256(Buffer.from("abc")))
      assert.strictEqual(manifest.path, "package.json")
      assert.strictEqual(new TextDecoder().decode(listing.packageJson), packageJson.content)
    })
  )

  it.effect("reads the same in any slicing", () =>
    Effect.gen(function* () {
      const archive = tgz([packageJson, file("a", "y".repeat(3000)), file(`${"d/".repeat(60)}long`)])
      const expected = yield* list(archive)
      for (const chunkBytes of [1, 7, 511, 512, 513, 16_385]) {
        assert.deepStrictEqual(yield* inspect(Sandbox.source(archive, chunkBytes)), expected)
      }
    })
  )

  it.effect("strips any one root, as npm does", () =>
    Effect.gen(function* () {
      const renamed = tgz([
        { ...packageJson, path: "node/package.json" },
        { path: "node", type: "dir" },
        { path: "node/lib", type: "dir" },
        { path: "node/lib/a.js", type: "file" }
      ])
      assert.deepStrictEqual(yield* paths(renamed), ["lib/a.js", "package.json"])
    })
  )

  it.effect("reads names from ustar prefixes, GNU long names and pax headers alike", () =>
    Effect.gen(function* () {
      const long = `package/${"d".repeat(90)}/${"f".repeat(90)}`
      const bytes = Buffer.from(long)
      const plain = { typeflag: "0", size: 0 }
      const forms = [
        [header({ ...plain, name: bytes.subarray(99), prefix: bytes.subarray(0, 98) })],
        [
          header({ name: Buffer.from("././@LongLink"), typeflag: "L", size: bytes.length + 1, magic: "ustar  \0" }),
          padded(Buffer.concat([bytes, Buffer.alloc(1)])),
          header({ ...plain, name: bytes, magic: "ustar  \0" })
        ],
        [paxHeader({ path: long, mtime: "1.5", comment: "x" }), header({ ...plain, name: bytes })]
      ]
      for (const form of forms) {
        const archive = gzip(Buffer.concat([entry(packageJson), ...form, END]))
        assert.deepStrictEqual(yield* paths(archive), [long.slice(8), "package.json"])
      }
    })
  )

  it.effect("accepts what git archive and old tars write", () =>
    Effect.gen(function* () {
      const v7 = header({ name: Buffer.from("package/old"), typeflag: "\0", size: 0, magic: "\0".repeat(8) })
      const global = paxHeader({ comment: "0123456789abcdef" }, "g")
      const archive = gzip(Buffer.concat([global, entry(packageJson), v7, END, Buffer.alloc(8192)]))
      assert.deepStrictEqual(yield* paths(archive), ["old", "package.json"])
    })
  )

  it.effect("accepts node_modules of a package that bundles dependencies only", () =>
    Effect.gen(function* () {
      const bundled = file("node_modules/b/index.js")
      for (const field of ["bundleDependencies", "bundledDependencies"]) {
        const manifest = { ...packageJson, content: JSON.stringify({ [field]: ["b"] }) }
        assert.lengthOf(yield* paths(tgz([bundled, manifest])), 2)
      }
      for (const content of ['{"bundleDependencies":[]}', '{"bundleDependencies":false}', "{", "null"]) {
        yield* refuses(tgz([bundled, { ...packageJson, content }]), "NotAPackage")
      }
      assert.lengthOf(yield* paths(tgz([packageJson, file("test/node_modules/b/index.js")])), 2)
    })
  )

  it.effect("accepts an entry for a directory that a file's path has named before", () =>
    Effect.gen(function* () {
      const archive = tgz([packageJson, file("a/b"), { path: "package/a", type: "dir" }])
      assert.deepStrictEqual(yield* paths(archive), ["a/b", "package.json"])
    })
  )

  it.effect("refuses names that only some systems find hostile", () =>
    Effect.gen(function* () {
      const hostile = [
        "con",
        "LPT9.tar.gz",
        "com\u00b9",
        "conin$",
        "a\u00ad",
        "a\u2028b",
        ".GIT/config",
        "git~1/x",
        "x/.npmRC",
        "a\ufdd0",
        "\uff0e\uff0e"
      ]
      for (const name of hostile) yield* refuses(tgz([packageJson, file(name)]), "UnsafePath")
      const harmless = ["console.js", "lpt.js", ".gitignore", "..a", "a b", "com10", "auxiliary", "€.js"]
      assert.lengthOf(yield* paths(tgz([packageJson, ...harmless.map((name) => file(name))])), harmless.length + 1)
    })
  )

  it.effect("never prints an entry's name raw, however long", () =>
    Effect.gen(function* () {
      const reason = yield* refuses(tgz([packageJson, file(`\u001b[2J\r\n\u202e${"a".repeat(60)}`)]), "UnsafePath")
      assert.include(reason.message, '"package/\\u{1b}[2J\\u{d}\\u{a}\\u{202e}aaa')
      const long = yield* refuses(tgz([packageJson, file("a".repeat(60_000))]), "ArchiveTooLarge")
      assert.isBelow(long.message.length, 400)
    })
  )

  it.effect("refuses headers that two readers would read differently", () =>
    Effect.gen(function* () {
      const blank = Buffer.alloc(155)
      assert.lengthOf(yield* paths(patched(345, blank)), 2)
      const cases: ReadonlyArray<readonly [number, string]> = [
        [257, "ustar  \0"],
        [257, "\0\0\0\0\0\0\0\0"]
      ]
      for (const [offset, magic] of cases) {
        const both = Buffer.alloc(345 - offset + 3)
        both.write(magic, 0, "latin1")
        both.write("evil", 345 - offset, "latin1")
        yield* refuses(patched(offset, both), "MalformedArchive")
      }
      yield* refuses(patched(257, Buffer.from("tar!!\u{0}00")), "MalformedArchive")
      yield* refuses(patched(50, Buffer.from("hidden")), "MalformedArchive")
      yield* refuses(patched(400, Buffer.from("hidden")), "MalformedArchive")
      yield* refuses(patched(100, Buffer.from("rwxr-xr")), "MalformedArchive")
    })
  )

  it.effect("refuses extended headers in places or numbers where readers disagree", () =>
    Effect.gen(function* () {
      const x = paxHeader({ path: "package/a" })
      const long = Buffer.concat([
        header({ name: Buffer.from("L"), typeflag: "L", size: 9 }),
        padded(Buffer.from("package/b"))
      ])
      const global = paxHeader({ comment: "x" }, "g")
      const rest = entry(file("c"))
      const orders = [
        [x, long, rest],
        [long, x, rest],
        [x, x, rest],
        [long, long, rest],
        [x, global, rest],
        [rest, global],
        [global, global, rest]
      ]
      for (const parts of orders) {
        yield* refuses(gzip(Buffer.concat([...parts, entry(packageJson), END])), "MalformedArchive")
      }
      yield* refuses(gzip(Buffer.concat([entry(packageJson), x, END])), "MalformedArchive")
    })
  )

  it.effect("refuses what the source cannot deliver with the source's own error", () =>
    Effect.gen(function* () {
      const archive = tgz([packageJson])
      const stream = Stream.concat(Stream.make(archive.subarray(0, 40)), Stream.fail("connection lost" as const))
      assert.strictEqual(yield* Effect.flip(inspect({ name: "a.tgz", stream })), "connection lost")
    })
  )

  it.effect("reads a gzip header with name, comment, extra field and checksum", () =>
    Effect.gen(function* () {
      const archive = tgz([packageJson])
      const fields = Buffer.concat([
        Uint8Array.of(0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 4, 0, 1, 2, 3, 4),
        Buffer.from("name\0comment\0")
      ])
      const crc = Buffer.alloc(2)
      crc.writeUInt16LE(Zlib.crc32(fields) & 0xffff)
      const decorated = Buffer.concat([fields, crc, archive.subarray(10)])
      for (const chunkBytes of [1, 1000])
        assert.lengthOf((yield* inspect(Sandbox.source(decorated, chunkBytes))).files, 1)
      crc[0]! ^= 1
      yield* refuses(Buffer.concat([fields, crc, archive.subarray(10)]), "MalformedArchive")
      yield* refuses(
        Buffer.concat([archive.subarray(0, 3), Uint8Array.of(0x20), archive.subarray(4)]),
        "MalformedArchive"
      )
    })
  )
})

describe("limits", () => {
  const manifestBytes = packageJson.content!.length
  const two = [packageJson, file("a/b/c", "x".repeat(1000))]
  const edges: ReadonlyArray<readonly [keyof ArchiveLimits, number, ReadonlyArray<Entry>]> = [
    ["compressedBytes", tgz(two).length, two],
    ["unpackedBytes", manifestBytes + 1000, two],
    ["files", 2, two],
    ["directories", 2, two],
    ["pathBytes", 12, two],
    ["pathDepth", 3, two],
    ["packageJsonBytes", manifestBytes, two],
    ["directories", 3, [packageJson, ...["d", "d", "e"].map((path) => ({ path: `package/${path}`, type: "dir" }))]],
    ["pathBytes", 14, [packageJson, file("\u{e9}".repeat(7))]]
  ]
  for (const [limit, edge, entries] of edges) {
    it.effect(`accepts an archive at the limit of ${limit} (${edge}) and refuses it one past`, () =>
      Effect.gen(function* () {
        yield* list(tgz(entries), { [limit]: edge })
        const reason = yield* refuses(tgz(entries), "ArchiveTooLarge", { [limit]: edge - 1 })
        assert.deepInclude(reason, { limit, max: edge - 1 })
      })
    )
  }

  it.effect("refuses at the compression ratio beyond the first mebibyte", () =>
    Effect.gen(function* () {
      const mebibyte = 1024 * 1024
      const zeros = (bytes: number) => tgz([packageJson, file("zeros", "\0".repeat(bytes))])
      yield* list(zeros(mebibyte - 4096))
      yield* refuses(zeros(2 * mebibyte), "ArchiveTooLarge")
      yield* list(zeros(2 * mebibyte), { ratio: 1100 })
    })
  )

  it.effect("refuses zeros without end behind the end", () =>
    refuses(gzip(Buffer.concat([tar([packageJson]), Buffer.alloc(2 * 1024 * 1024)])), "MalformedArchive", {
      ratio: 1e9
    })
  )
})

describe("extract", () => {
  const big = Buffer.alloc(2 * PIECE_BYTES + 12_345)
  for (let i = 0; i < big.length; i++) big[i] = (i * 2654435761) >>> 13
  const tree = tgz([
    packageJson,
    file("bin/cli", "#!/usr/bin/env node\n", { mode: "755" }),
    file("empty", ""),
    file("lib/deep/er/x.js"),
    ...Array.from({ length: 150 }, (_, i) => file(`many/${i}`, String(i))),
    { path: "package/no-files", type: "dir" },
    file("big", big.toString("latin1"))
  ])

  it.effect("writes what inspect lists, with every parent it needs, and leaves nothing beside it", () =>
    Effect.gen(function* () {
      const { root, destination } = yield* Sandbox.make
      const listing = yield* extract(Sandbox.source(tree), destination)
      assert.deepStrictEqual(listing, yield* list(tree))
      Sandbox.assertUnpacked(destination, listing)
      assert.isFalse(Fs.existsSync(Path.join(destination, "no-files")))
      assert.deepStrictEqual(Fs.readdirSync(Path.join(root, "store")), ["destination"])
      assert.strictEqual(Fs.statSync(destination).mode & 0o777, 0o755)
    }).pipe(Effect.provide(Sandbox.layer))
  )

  it.effect("refuses a destination that exists in any form, and does not touch it", () =>
    Effect.gen(function* () {
      const { root, destination, outside } = yield* Sandbox.make
      const forms = [
        () => Fs.mkdirSync(destination),
        () => Fs.writeFileSync(destination, "file"),
        () => Fs.symlinkSync(outside, destination),
        () => Fs.symlinkSync("nowhere", destination)
      ]
      for (const make of forms) {
        make()
        const before = Sandbox.snapshot(root)
        const reason = yield* reasonOf(extract(Sandbox.source(tree), destination).pipe(Effect.provide(Sandbox.layer)))
        assert.strictEqual(reason._tag, "DestinationExists")
        assert.deepStrictEqual(Sandbox.snapshot(root), before)
        Fs.rmSync(destination, { recursive: true })
      }
    })
  )

  it.effect("refuses a destination that appears while it unpacks", () =>
    Effect.gen(function* () {
      const { destination } = yield* Sandbox.make
      const source = Sandbox.source(tree)
      const plant = Effect.sync(() => {
        Fs.mkdirSync(destination, { recursive: true })
        Fs.writeFileSync(Path.join(destination, "theirs"), "theirs")
      })
      const stream = Stream.tap(source.stream, () => plant)
      const reason = yield* reasonOf(extract({ ...source, stream }, destination).pipe(Effect.provide(Sandbox.layer)))
      assert.strictEqual(reason._tag, "DestinationExists")
      assert.deepStrictEqual(Fs.readdirSync(destination), ["theirs"])
    })
  )

  it.effect("says which directory is missing when the parent does not exist", () =>
    Effect.gen(function* () {
      const { root } = yield* Sandbox.make
      const destination = Path.join(root, "missing", "x")
      const reason = yield* reasonOf(extract(Sandbox.source(tree), destination).pipe(Effect.provide(Sandbox.layer)))
      assert.deepInclude(reason, { _tag: "ArchiveIo", code: "ENOENT", path: destination })
    })
  )

  const small = tgz([packageJson, file("a/x", "xx"), file("a/b/y", "yy"), file("z", "zz".repeat(PIECE_BYTES))])
  /** Which operations fail: those on files in the staging directory, or those on the directory itself. */
  const failing = {
    "file in it": (failAfterWrites: number, code: "ENOSPC" | "EIO") =>
      Effect.provideService(StagingDisk, FaultyDisk.make({ failAfterWrites, code })),
    directory: (failAfterWrites: number, code: "ENOSPC" | "EIO") =>
      Effect.provide(FaultyFileSystem.layer({ failAfterWrites, code }).pipe(Layer.provide(Sandbox.layer)))
  }
  for (const [what, operations] of [
    ["file in it", 7],
    ["directory", 2]
  ] as const) {
    for (const code of ["ENOSPC", "EIO"] as const) {
      it.effect(`leaves nothing when the disk fails with ${code}, at every write to the staging ${what} in turn`, () =>
        Effect.gen(function* () {
          let failures = 0
          for (let failAfterWrites = 0; ; failAfterWrites++) {
            const { root, destination } = yield* Sandbox.make
            const before = Sandbox.snapshot(root)
            const exit = yield* extract(Sandbox.source(small), destination, { ratio: 1e9 }).pipe(
              failing[what](failAfterWrites, code),
              Effect.provide(Sandbox.layer),
              Effect.result
            )
            if (exit._tag === "Success") {
              Sandbox.assertUnpacked(destination, exit.success)
              break
            }
            failures++
            assert.deepInclude(Sandbox.assertExplained(exit.failure).reason, { _tag: "ArchiveIo", code, exitCode: 6 })
            assert.deepStrictEqual(Sandbox.snapshot(root), before)
          }
          assert.isAtLeast(failures, operations)
        })
      )
    }
  }

  it.effect("leaves nothing when it is interrupted, whenever others get their turn", () =>
    Effect.gen(function* () {
      const many = tgz([
        packageJson,
        ...Array.from({ length: 400 }, (_, i) => file(`a/${i}`, `${i}`)),
        file("z", "zz".repeat(PIECE_BYTES))
      ])
      let interrupted = 0
      for (let at = 0; ; at += 40) {
        const { root, destination } = yield* Sandbox.make
        const before = Sandbox.snapshot(root)
        const reached = yield* Deferred.make<void>()
        let writes = 0
        const onWrite = () => {
          if (writes++ === at) Deferred.doneUnsafe(reached, Effect.void)
        }
        const fiber = yield* extract(Sandbox.source(many), destination, { ratio: 1e9 }).pipe(
          Effect.provideService(StagingDisk, FaultyDisk.make({ failAfterWrites: Infinity, code: "EIO", onWrite })),
          Effect.provide(Sandbox.layer),
          Effect.forkChild({ startImmediately: true })
        )
        yield* Effect.race(Deferred.await(reached), Fiber.await(fiber))
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        if (Exit.isSuccess(exit)) break
        interrupted++
        // The rename cannot be taken back: interrupted during it, the whole package is there.
        if (Fs.existsSync(destination)) Sandbox.assertUnpacked(destination, yield* list(many, { ratio: 1e9 }))
        else assert.deepStrictEqual(Sandbox.snapshot(root), before)
        assert.lengthOf(
          Fs.readdirSync(Path.join(root, "store")).filter((name) => name !== "destination"),
          0
        )
      }
      assert.isAbove(interrupted, 5)
    })
  )

  it.effect("leaves nothing when the source stalls and the caller gives up", () =>
    Effect.gen(function* () {
      const { root, destination } = yield* Sandbox.make
      const before = Sandbox.snapshot(root)
      const stalled = yield* Deferred.make<void>()
      const head = tree.subarray(0, tree.length - 100)
      const stream = Stream.concat(
        Stream.make(head),
        Stream.fromEffect(Effect.andThen(Deferred.succeed(stalled, undefined), Effect.never))
      )
      const fiber = yield* extract({ name: "slow.tgz", stream }, destination).pipe(
        Effect.provide(Sandbox.layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Deferred.await(stalled)
      assert.notDeepEqual(Sandbox.snapshot(root), before)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(Sandbox.snapshot(root), before)
    })
  )

  it.effect("reports the first failure when even the staging directory cannot be removed", () =>
    Effect.gen(function* () {
      const { destination } = yield* Sandbox.make
      const stubborn = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => ({
          ...fs,
          remove: (path: string) => fs.remove(`${path}-not-there`)
        }))
      ).pipe(Layer.provide(Sandbox.layer))
      const extraction = extract(Sandbox.source(tree), destination).pipe(
        Effect.provideService(StagingDisk, FaultyDisk.make({ failAfterWrites: 3, code: "EIO" }))
      )
      const reason = yield* reasonOf(Effect.provide(extraction, Layer.merge(Sandbox.layer, stubborn)))
      assert.deepInclude(reason, { _tag: "ArchiveIo", code: "EIO" })
    })
  )

  it.effect("gives others their turn while it writes, and makes modes and bytes as they were listed", () =>
    Effect.gen(function* () {
      const { destination } = yield* Sandbox.make
      const many = tgz([
        packageJson,
        ...Array.from({ length: 300 }, (_, i) => file(`d${i % 7}/${i}`, `${i}`.repeat(i)))
      ])
      let turns = 0
      const others = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => turns++),
            Effect.yieldNow
          )
        )
      )
      const listing = yield* Effect.provide(extract(Sandbox.source(many), destination), Sandbox.layer)
      yield* Fiber.interrupt(others)
      assert.isAbove(turns, 3)
      Sandbox.assertUnpacked(destination, listing)
    })
  )

  it.effect("never writes through a link, and never into a file that is there", () =>
    Effect.gen(function* () {
      const { root, outside } = yield* Sandbox.make
      const link = Path.join(root, "link")
      const victim = Path.join(outside, "victim")
      Fs.symlinkSync(victim, link)
      for (const path of [link, victim]) {
        assert.throws(() => node.create(path, [Buffer.from("evil")], 0o644), /EEXIST|ELOOP/)
      }
      assert.throws(() => node.append(link, [Buffer.from("evil")]), /ELOOP/)
      assert.strictEqual(Fs.readFileSync(victim, "utf8"), "untouched")
      assert.isFalse(node.isDirectory(link))
    })
  )
})

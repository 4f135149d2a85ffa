/**
 * Attack archives: each must be refused with a typed error, or unpack to exactly what was listed;
 * never may anything else on the disk change. Every case is built twice, its package.json before and
 * behind the hostile entries.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { extract, inspect } from "../../src/runtime/archive/Extract.ts"
import { node, StagingDisk } from "../../src/runtime/archive/StagingDisk.ts"
import { generated, type Sample } from "../runtime/archive/Generated.ts"
import * as Sandbox from "../runtime/archive/Sandbox.ts"
import { type Entry, packageJson, tgz } from "../runtime/archive/TarBuilder.ts"
import { topic } from "./Vectors.ts"

interface Case {
  readonly id: string
  readonly kind: string
  readonly entries: ReadonlyArray<Entry>
  readonly expect: string
}

type Demand = "reject" | "accept" | "either"

/** What the sentence in `expect` leaves open. */
const demandOf = (expect: string): Demand => {
  if (/^reject,? or |\(or |^accept.*or reject/.test(expect)) return "either"
  if (/^(?:reject|stop at)/.test(expect)) return "reject"
  return /reject|skip|drop|bounded/.test(expect) ? "either" : "accept"
}

const names = (entries: ReadonlyArray<Entry>) => entries.map(({ path }) => path)

const samplesOf = ({ kind, entries }: Case): ReadonlyArray<Sample> => {
  const words = entries.map(({ generate }) => generate).filter((text) => text !== undefined)
  if (words.length > 0) {
    return words.flatMap((text) => {
      const make = generated[text]
      if (make === undefined) throw new Error(`nobody knows how to build: ${text}`)
      return make()
    })
  }
  const whole = kind === "layout" || names(entries).includes("package/package.json")
  const variants = whole
    ? [entries]
    : [
        [packageJson, ...entries],
        [...entries, packageJson]
      ]
  return variants.map((variant) => {
    const bytes = tgz(variant)
    return { chunks: () => [bytes] }
  })
}

const sourceOf = (sample: Sample) => ({
  name: "attack.tgz",
  stream: Stream.suspend(() => Stream.fromIterable(sample.chunks(), { chunkSize: 1 }))
})

const without = (snapshot: ReadonlyMap<string, string>, directory: string) =>
  new Map([...snapshot].filter(([path]) => path !== directory && !path.startsWith(`${directory}${Path.sep}`)))

/** Unpacks one sample and holds it to the demand. */
const survive = Effect.fnUntraced(function* (sample: Sample, demand: Demand) {
  const sandbox = yield* Sandbox.make
  const before = Sandbox.snapshot(sandbox.root)
  const inspected = yield* Effect.result(inspect(sourceOf(sample)))
  assert.deepStrictEqual(Sandbox.snapshot(sandbox.root), before)
  const extracted = yield* Effect.result(extract(sourceOf(sample), sandbox.destination, sample.limits))
  if (sample.limits === undefined) Sandbox.assertSameWhole(Buffer.concat([...sample.chunks()]), undefined, inspected)
  const after = Sandbox.snapshot(sandbox.root)
  for (const path of ["/etc/evil", "/tmp/evil", "/evil"]) assert.isFalse(Fs.existsSync(path))
  if (Result.isFailure(extracted)) {
    assert.isTrue(Result.isFailure(inspected))
    Sandbox.assertExplained(extracted.failure)
    if (Result.isFailure(inspected)) Sandbox.assertExplained(inspected.failure)
    assert.deepStrictEqual(after, before)
    assert.notStrictEqual(demand, "accept", extracted.failure.message)
    return
  }
  assert.notStrictEqual(demand, "reject")
  assert.deepStrictEqual(Result.getOrThrow(inspected), extracted.success)
  assert.deepStrictEqual(without(after, Path.relative(sandbox.root, sandbox.destination)), before)
  Sandbox.assertUnpacked(sandbox.destination, extracted.success)
  assert.isUndefined(Reflect.get({}, "x"))
})

/** The cases that are about time rather than about an archive. */
const races: Readonly<Record<string, (bytes: Uint8Array) => Effect.Effect<void, never, Scope.Scope>>> = {
  "preexisting-symlink": Effect.fnUntraced(function* (bytes) {
    const { root, destination, outside } = yield* Sandbox.make
    Fs.mkdirSync(destination)
    Fs.symlinkSync(outside, Path.join(destination, "d"))
    const before = Sandbox.snapshot(root)
    const extraction = extract(Sandbox.source(bytes), destination).pipe(Effect.provide(Sandbox.layer))
    const error = Sandbox.assertExplained(yield* Effect.orDie(Effect.flip(extraction)))
    assert.strictEqual(error.reason._tag, "DestinationExists")
    assert.deepStrictEqual(Sandbox.snapshot(root), before)
  }),
  toctou: Effect.fnUntraced(function* (bytes) {
    const { root, destination, outside } = yield* Sandbox.make
    const before = Sandbox.snapshot(root)
    let swaps = 0
    const swapping: StagingDisk = {
      ...node,
      makeDirectory: (path, mode) => {
        node.makeDirectory(path, mode)
        if (Path.basename(path) !== "d") return
        swaps++
        Fs.rmdirSync(path)
        Fs.symlinkSync(outside, path)
      }
    }
    const extraction = extract(Sandbox.source(bytes), destination).pipe(
      Effect.provideService(StagingDisk, swapping),
      Effect.provide(Sandbox.layer)
    )
    const error = Sandbox.assertExplained(yield* Effect.orDie(Effect.flip(extraction)))
    assert.strictEqual(error.reason._tag, "StagingTampered")
    assert.strictEqual(swaps, 1)
    assert.deepStrictEqual(Sandbox.snapshot(root), before)
  }),
  concurrent: Effect.fnUntraced(function* (bytes) {
    const { destination, root } = yield* Sandbox.make
    const extraction = extract(Sandbox.source(bytes), destination).pipe(Effect.provide(Sandbox.layer), Effect.exit)
    const exits = yield* Effect.all([extraction, extraction, extraction], { concurrency: "unbounded" })
    const winners = exits.filter(Exit.isSuccess)
    assert.strictEqual(winners.length, 1)
    Sandbox.assertUnpacked(destination, winners[0]!.value)
    assert.deepStrictEqual(Fs.readdirSync(Path.dirname(destination)), ["destination"])
    assert.deepStrictEqual(Fs.readdirSync(root).toSorted(), ["outside", "store"])
  })
}

const everyFile = () => true

topic("tar", ({ file }) => {
  file<ReadonlyArray<Case>>(
    "attacks.json",
    (attacks, name) => {
      describe(name, () => {
        for (const attack of attacks) {
          const race = races[attack.id]
          it.effect(`${attack.id} (${attack.kind}): ${attack.expect}`, () =>
            Effect.gen(function* () {
              if (race !== undefined) return yield* race(tgz([packageJson, ...attack.entries]))
              for (const sample of samplesOf(attack)) yield* survive(sample, demandOf(attack.expect))
            }).pipe(Effect.provide(Sandbox.layer))
          )
        }
      })
    },
    everyFile
  )
})

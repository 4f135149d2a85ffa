/**
 * Fills a store with mutable items of the largest size, each from another network, in a process that does nothing
 * else; then writes it to a SQLite file and starts again from that. Prints one JSON line.
 */
import { randomFillSync } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { performance } from "node:perf_hooks"
import * as Effect from "effect/Effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Layer from "effect/Layer"
import * as ItemStore from "../../src/runtime/dht/items/ItemStore.ts"
import * as SqliteItems from "../../src/runtime/dht/items/SqliteItems.ts"
import type { StoredItem } from "../../src/runtime/dht/items/StoredItem.ts"
import { round } from "./Measure.ts"

const ITEMS = 10_000
const VALUE_HEAD = Buffer.from("996:")
const BATCH = 500

/** A datagram's worth, of which the item is views: what a store must not keep alive. */
const arriving = (): StoredItem => {
  const datagram = Buffer.alloc(1_472)
  randomFillSync(datagram)
  VALUE_HEAD.copy(datagram, 200)
  return {
    value: datagram.subarray(200, 1_200),
    mutable: {
      publicKey: datagram.subarray(0, 32),
      signature: datagram.subarray(32, 96),
      salt: datagram.subarray(96, 128),
      seq: datagram.readUInt32BE(128)
    }
  }
}

const collect = (): void => globalThis.gc?.()

const rssMb = (): number => {
  collect()
  return process.memoryUsage().rss / 1e6
}

const make = () => ItemStore.make({ now: () => Date.now(), verify: () => true, ownId: new Uint8Array(20) })

const directory = mkdtempSync(join(tmpdir(), "libreseed-bench-"))
const location = join(directory, "state.db")
const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeCrypto.layerSecureRandom)
const withArchive = <A, E>(
  work: (archive: Effect.Success<ReturnType<typeof SqliteItems.open>>) => Effect.Effect<A, E>
) => Effect.runPromise(Effect.scoped(Effect.flatMap(SqliteItems.open(location), work)).pipe(Effect.provide(platform)))

const before = rssMb()
const store = make()
store.record()
const started = performance.now()
for (let i = 0; i < ITEMS; i++) store.put(arriving(), `20.${i >> 8}.${i & 255}.1:6881`)
const fillMs = performance.now() - started
const rss = rssMb() - before

const writing = performance.now()
await withArchive((archive) =>
  Effect.gen(function* () {
    for (;;) {
      const changes = store.changes(BATCH)
      if (changes.kept.length === 0) return
      yield* archive.write(changes)
    }
  })
)
const writeMs = performance.now() - writing
const starting = performance.now()
const again = make()
await withArchive((archive) => archive.load(0, (row) => void again.restore(row)))
const startMs = performance.now() - starting
rmSync(directory, { recursive: true })

console.log(
  JSON.stringify({
    items: store.size,
    rssMb: round(rss, 1),
    putMicros: round((fillMs * 1_000) / ITEMS, 1),
    writeMs: round(writeMs, 0),
    restored: again.size,
    startMs: round(startMs, 0)
  })
)

/**
 * What a large catalogue costs: building it, the pages that one more release writes, and the reads of a
 * look-up. Page counts depend on the entries alone, so they are the same on every machine.
 */
import * as Stream from "effect/Stream"
import * as Tree from "../../src/protocol/dht/Tree.ts"
import * as TreeNetwork from "../protocol/dht/TreeNetwork.ts"
import { median, round, time } from "./Measure.ts"

const PACKAGES = 100_000
const UPDATES = 200
const LOOK_UPS = 200
const ROUNDS = 5

/** Spreads `i` over the packages without a pattern that the pages could follow. */
const scattered = (i: number): number => (i * 48_271 + 12_345) % PACKAGES

const packageKey = (i: number, suffix = ""): Uint8Array =>
  TreeNetwork.bytes(`package-${String(i).padStart(6, "0")}${suffix}`)

const repeated = async (work: () => unknown): Promise<number> => {
  const taken: Array<number> = []
  for (let i = 0; i < ROUNDS; i++) taken.push(await time(work))
  return round(median(taken), 0)
}

/** Page writes of each of a chain of updates, every one on top of the one before. */
const writes = async (network: TreeNetwork.TreeNetwork, start: Parameters<typeof Tree.get>[0], change: ChangeOf) => {
  let root = start
  const written: Array<number> = []
  const read: Array<number> = []
  for (let i = 0; i < UPDATES; i++) {
    network.asked.length = 0
    const updated = await network.run(Tree.update(root, [change(i)]))
    network.hold(updated.added)
    root = updated.root!
    written.push(updated.added.length)
    read.push(network.asked.length)
  }
  const sorted = written.toSorted((a, b) => a - b)
  return {
    median: median(written),
    p99: sorted[Math.ceil(UPDATES * 0.99) - 1]!,
    max: sorted.at(-1)!,
    readsMedian: median(read)
  }
}

type ChangeOf = (i: number) => Tree.Change

export const trees = async () => {
  const entries = TreeNetwork.catalogue(PACKAGES)
  const built = Tree.build(entries)
  const network = TreeNetwork.make(built.pages)

  network.asked.length = 0
  for (let i = 0; i < LOOK_UPS; i++) await network.run(Tree.get(built.root, packageKey(scattered(i))))
  const getsPerLookUp = round(network.asked.length / LOOK_UPS, 2)

  return {
    buildMs: await repeated(() => Tree.build(entries)),
    pages: built.pages.length,
    levels: (await network.run(Tree.collect(built.root, { limit: PACKAGES }))).depth,
    listMs: await repeated(() => network.run(Stream.runDrain(Tree.entries(built.root)))),
    collectMs: await repeated(() => network.run(Tree.collect(built.root, { limit: PACKAGES }))),
    getsPerLookUp,
    lookUpMs: round(
      (await time(async () => {
        for (let i = 0; i < LOOK_UPS; i++) await network.run(Tree.get(built.root, packageKey(scattered(i))))
      })) / LOOK_UPS,
      3
    ),
    updateMs: round(
      (await time(() =>
        writes(network, built.root, (i) => ({ key: packageKey(scattered(i)), value: TreeNetwork.bytes("1.2.4") }))
      )) / UPDATES,
      2
    ),
    /** Page writes: a new version that is spelled as long as the last one, one that is longer, and a package that is new. */
    sameLength: await writes(network, built.root, (i) => ({
      key: packageKey(scattered(i)),
      value: TreeNetwork.bytes("1.2.4")
    })),
    longer: await writes(network, built.root, (i) => ({
      key: packageKey(scattered(i)),
      value: TreeNetwork.bytes("1.10.0")
    })),
    newPackage: await writes(network, built.root, (i) => ({
      key: packageKey(scattered(i), "-x"),
      value: TreeNetwork.bytes("1.0.0")
    })),
    mixed: await writes(network, built.root, (i) => ({
      key: packageKey(scattered(i), i % 4 === 3 ? "-x" : ""),
      value: TreeNetwork.bytes(i % 2 === 0 ? "1.2.4" : "1.10.0")
    }))
  }
}

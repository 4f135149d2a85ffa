/**
 * `npm run bench [-- name…] [--json]`: how fast the parts are, as ratios taken side by side in one
 * run, and medians. Targets stand beside them; nothing here fails, because machines differ.
 */
import type { Compared } from "./Measure.ts"

const benches = {
  record: async () => (await import("./Records.ts")).records(),
  codecs: async () => (await import("./Codecs.ts")).codecs(),
  trees: async () => (await import("./Trees.ts")).trees(),
  resolve: async () => (await import("./Records.ts")).resolve(),
  /** In microseconds. */
  resolveWarm: async () => (await import("./Records.ts")).resolveWarm(),
  dht: async () => (await import("./Sockets.ts")).sockets(),
  /** In ms. */
  dhtHalfDead: async () => (await import("./HalfDead.ts")).halfDead(),
  /** In microseconds. */
  guard: async () => (await import("./Guard.ts")).guard(),
  items: async () => (await import("./Items.ts")).items(),
  transfer: async () => (await import("./Transfers.ts")).transfers(),
  /** In ms. */
  extract: async () => (await import("./Extraction.ts")).extraction(),
  /** One node that seeds 10,000 releases. */
  seed10000: async () => (await import("./ManySeeds.ts")).manySeeds(),
  /** In ms: express with its dependencies, beside npm and pnpm; and the transfers beneath. */
  install: async () => ({
    express: await (await import("./Install.ts")).express(),
    ...(await (await import("./Transfers.ts")).transfers())
  }),
  start: async () => (await import("./Start.ts")).start(),
  /** `ls-cli resolve`, in ms. */
  daemon: async () => (await import("./Daemon.ts")).daemon()
}

type Name = keyof typeof benches
const names = Object.keys(benches) as ReadonlyArray<Name>

const args = process.argv.slice(2)
const json = args.includes("--json")
const asked = args.filter((argument) => !argument.startsWith("--"))
const unknown = asked.filter((name) => !names.some((known) => known === name))
if (unknown.length > 0) {
  console.error(`There is no bench called ${unknown.join(", ")}; there are ${names.join(", ")}`)
  process.exit(2)
}

const TARGETS: Readonly<Record<string, number>> = {
  resolve: 1.3,
  resolveWarm: 100,
  "dht.put": 1.1,
  "dht.get": 1.1,
  "dhtHalfDead.fresh.p50": 600,
  "dhtHalfDead.warm.p50": 600,
  "guard.datagram": 20,
  "items.rssMb": 100,
  "extract.besideSync": 1.1,
  "seed10000.rssMb.afterServing": 1024,
  "seed10000.firstByteMs.p95": 20,
  "transfer.large.rtt50MBps": 20,
  "transfer.large.rssMb": 150,
  "transfer.small.firstByteMs": 20,
  "transfer.small.releases300Ms": 600,
  "install.express.warmMs": 150,
  "install.express.noopMs": 100,
  start: 3.5,
  "daemon.through": 150
}

const isCompared = (value: unknown): value is Compared =>
  typeof value === "object" && value !== null && "ratio" in value

const describe = (label: string, value: unknown): ReadonlyArray<string> => {
  const target = TARGETS[label] === undefined ? "" : `target ${TARGETS[label]}`
  if (isCompared(value)) {
    const told = [`${value.ms} ms beside ${value.baselineMs} ms`, target].filter((part) => part !== "").join(", ")
    return [`${label.padEnd(18)} ${value.ratio} ×  (${told})`]
  }
  if (typeof value !== "object" || value === null) {
    return [`${label.padEnd(18)} ${String(value)}${target === "" ? "" : `  (${target})`}`]
  }
  return Object.entries(value).flatMap(([key, inner]) => describe(`${label}.${key}`, inner))
}

const results: Record<string, unknown> = {}
for (const name of names.filter((each) => asked.length === 0 || asked.includes(each))) {
  results[name] = await benches[name]()
  if (!json) console.log(describe(name, results[name]).join("\n"))
}
// The install bench has a form of its own.
if (json) console.log(JSON.stringify(asked.join() === "install" ? results["install"] : results))

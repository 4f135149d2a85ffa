import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { FuzzPeer } from "../runtime/dht/FuzzPeer.ts"
import * as LsCli from "./Commands.ts"
import { Journey, testnet } from "./Journey.ts"

const SEED = Number(
  process.env["LIBRESEED_FUZZ_SEED"] ?? Math.floor(performance.timeOrigin + performance.now()) % 2 ** 31
)

const NODES = 20
/** What a user would wait for at most, on a quiet network it takes a few seconds; the limit of a test is twice that. */
const JOURNEY_MAX_MS = 45_000
/** 500 ticks a second, some datagrams each: about 2,000 a second to some twenty-five nodes. */
const TICK_MS = 2
const PER_TICK = 4

/** Hammers every DHT node that it hears of, those of the users too, from two addresses. One answers queries, with lies. */
class Hammer {
  /** Datagrams sent to each node, by port. */
  readonly sent = new Map<number, number>()
  readonly peers: ReadonlyArray<FuzzPeer>
  readonly #timer: NodeJS.Timeout
  #turn = 0

  private constructor(peers: ReadonlyArray<FuzzPeer>) {
    this.peers = peers
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  static async on(port: number): Promise<Hammer> {
    const found = new Set([port])
    const onNode = (node: number) => void found.add(node)
    const peers = await Promise.all([false, true].map((isLiar, i) => FuzzPeer.bind({ seed: SEED + i, isLiar, onNode })))
    const hammer = new Hammer(peers)
    hammer.#found = found
    return hammer
  }

  #found: Set<number> = new Set()

  /** The nodes that it knows of; most users' are gone by now. */
  get targets(): ReadonlyArray<number> {
    return [...this.#found].filter((port) => this.peers.every((peer) => peer.port !== port))
  }

  #tick(): void {
    const { targets } = this
    for (let i = 0; i < PER_TICK && targets.length > 0; i++) {
      const port = targets[this.#turn++ % targets.length]!
      const peer = this.peers[this.#turn % this.peers.length]!
      if (peer.hasToken(port)) peer.burst(port, 1)
      else peer.askToken(port)
      this.sent.set(port, (this.sent.get(port) ?? 0) + 1)
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.peers.map((peer) => peer.close()))
  }
}

describe(`ls-cli on a network under a fuzzer (seed ${SEED})`, { timeout: 2 * JOURNEY_MAX_MS }, () => {
  let journey: Journey
  let hammer: Hammer

  beforeAll(async () => {
    const bootstrap = await testnet(NODES)
    journey = new Journey(bootstrap, "fuzzed")
    hammer = await Hammer.on(Number(bootstrap.slice(bootstrap.lastIndexOf(":") + 1)))
  }, 60_000)

  afterAll(async () => {
    await hammer.stop()
    await LsCli.cleanUp()
  })

  it("publishes, seeds, finds, installs and imports a package, with time to spare", async () => {
    const started = performance.now()
    await journey.publish()
    await journey.install()
    assert.isBelow(performance.now() - started, JOURNEY_MAX_MS)

    const { peers, sent, targets } = hammer
    const alive = await Promise.allSettled(targets.map((port) => peers[0]!.alive(port, 3_000)))
    const living = targets.filter((_, i) => alive[i]!.status === "fulfilled")
    assert.isAtLeast(living.length, NODES, "every node of the network was found, and lives")
    assert.isAbove(targets.length, living.length, "users' nodes were found too")
    for (const port of living) assert.isAbove(sent.get(port)!, 100)
    assert.isNotEmpty(peers[1]!.answered, "lies were asked for")
  })
})

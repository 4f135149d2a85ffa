/**
 * Publisher, seeder and users on hosts of their own, with a network between them that the kernel makes: whole,
 * then cut in two, then slow and lossy.
 */
import { afterAll, assert, beforeAll, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Path from "node:path"
import * as LsCli from "../e2e/Commands.ts"
import * as Hosts from "./Hosts.ts"
import * as Requirement from "./Requirement.ts"

const HOSTS = 5

/** On each host: two hosts together have the eight that a record is held by, also where a cut leaves them alone. */
const NODES = 5

/** There and back: 80 ms, and every fifth question without an answer. */
const BAD: Hosts.Quality = { delayMs: 40, loss: 0.1 }

/** Where so much is lost, eight nodes are not always heard at once. */
const FEW_ACKS = ["--min-acks", "4"]

const TIMEOUT_MS = 120_000

const Addresses = Schema.fromJsonString(Schema.Array(Schema.String))
const Document = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

const nodes = Path.join(import.meta.dirname, "HostNodes.ts")

/** Somebody at a host, with a home of their own. */
const person = (host: Hosts.Host, bootstrap: ReadonlyArray<string>) => {
  const home = LsCli.directory(host.name)
  const at = ["--home", home, "--bootstrap", bootstrap.join(","), "--listen", `${host.address}:0`]
  const flags = [...at, "--timeout", String(TIMEOUT_MS / 1000), "--json"]
  return {
    /** A command that must succeed; gives its document. */
    run: Effect.fnUntraced(function* (...command: ReadonlyArray<string>) {
      const { code, stderr, stdout } = yield* host.run(...Hosts.lsCli([...command, ...flags]))
      assert.strictEqual(code, 0, `${host.name}: ${command.join(" ")}: ${stderr}${stdout}`)
      return yield* Schema.decodeUnknownEffect(Document)(stdout)
    }),
    /** A command that stays. */
    start: Effect.fnUntraced(function* (...command: ReadonlyArray<string>) {
      const { line, stop } = yield* host.start(...Hosts.lsCli([...command, ...flags]))
      return { document: yield* Schema.decodeUnknownEffect(Document)(line), stop }
    })
  }
}

/** Hosts with DHT nodes on each of them, which know each other. */
const network = Effect.gen(function* () {
  const world = yield* Hosts.make(HOSTS, Hosts.impairment === undefined ? "good" : "impairable")
  const startNodes = (host: Hosts.Host, bootstrap: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const options = JSON.stringify({ host: host.address, count: NODES, bootstrap })
      const { line } = yield* host.start(process.execPath, [nodes, options])
      return (yield* Schema.decodeUnknownEffect(Addresses)(line))[0]!
    })
  const [first, ...others] = world.hosts
  const entrance = yield* startNodes(first!, [])
  const entrances = yield* Effect.forEach(others, (host) => startNodes(host, [entrance]), { concurrency: "unbounded" })
  return { ...world, people: world.hosts.map((host) => person(host, [entrance, ...entrances])) }
})

class Network extends Context.Service<Network, Effect.Success<typeof network>>()("libreseed/test/Network") {
  static readonly layer = Layer.effect(Network, network)
}

const project = () => LsCli.directory("project")

const versionOf = (document: { readonly [key: string]: unknown }): string => {
  const { installed } = Schema.decodeUnknownSync(Schema.Struct({ installed: Schema.Array(Release) }))(document)
  return installed.map(({ name, version }) => `${name}@${version}`).join()
}
const Release = Schema.Struct({ name: Schema.String, version: Schema.String })

Requirement.describeUnless(Hosts.obstacle, "five hosts", () => {
  beforeAll(async () => {
    // Bundles what is stale, where there is a way to what that needs.
    const { code, stderr } = await LsCli.start(["--version"]).ended
    assert.strictEqual(code, 0, stderr)
  }, TIMEOUT_MS)
  afterAll(LsCli.cleanUp)

  layer(Network.layer, { excludeTestServices: true, timeout: Duration.millis(TIMEOUT_MS) })("on one switch", (it) => {
    it.effect(
      "publish, seed and install from one to another, after the publisher has gone",
      () =>
        Effect.gen(function* () {
          const [publisher, seeder, user, other] = (yield* Network).people
          yield* publisher!.run("keys", "new")
          const publishing = yield* publisher!.start("publish", LsCli.newPackage("alpha"), "--seed")
          yield* seeder!.start("seed", "alpha")
          yield* publishing.stop
          const documents = yield* Effect.forEach(
            [user!, other!],
            (each) => each.run("install", "alpha", "--dir", project()),
            { concurrency: 2 }
          )
          assert.deepStrictEqual(documents.map(versionOf), ["alpha@1.0.0", "alpha@1.0.0"])
        }).pipe(Effect.scoped),
      TIMEOUT_MS
    )

    it.effect(
      "work on either side of a cut, and agree when it is healed",
      () =>
        Effect.gen(function* () {
          const { heal, hosts, partition, people } = yield* Network
          const [publisher, near, far, farther, rival] = people
          yield* rival!.run("keys", "new")
          const publish = (who: typeof publisher, name: string, version: string) =>
            who!.start("publish", LsCli.newPackage(name, version), "--seed")

          yield* partition(hosts.slice(2))
          yield* Effect.all([publish(publisher, "alpha", "1.1.0"), publish(rival, "beta", "1.0.0")], { concurrency: 2 })
          const [here, there, old] = yield* Effect.all(
            [
              near!.run("install", "alpha", "--dir", project()),
              far!.run("install", "beta", "--dir", project()),
              // That side still has what was there before, and cannot know better.
              farther!.run("resolve", "alpha")
            ],
            { concurrency: 3 }
          )
          assert.deepStrictEqual([versionOf(here), versionOf(there)], ["alpha@1.1.0", "beta@1.0.0"])
          assert.strictEqual(old["version"], "1.0.0")

          yield* heal
          const [newest, ofRival, again] = yield* Effect.all(
            [
              farther!.run("install", "alpha", "--dir", project()),
              near!.run("install", "beta", "--dir", project()),
              far!.run("resolve", "alpha")
            ],
            { concurrency: 3 }
          )
          assert.deepStrictEqual([versionOf(newest), versionOf(ofRival)], ["alpha@1.1.0", "beta@1.0.0"])
          assert.strictEqual(again["version"], "1.1.0")
        }).pipe(Effect.scoped),
      TIMEOUT_MS
    )

    const over = `over bad links${Hosts.impairment === undefined ? "" : ` (${Hosts.impairment})`}`
    const impaired = { isProgram: false, reason: "neither netem nor TAP devices are to be had here" }
    Requirement.describeUnless(Hosts.impairment === undefined ? impaired : undefined, over, () => {
      it.effect(
        "publish and install with 80 ms there and back, and a fifth lost on the way",
        () =>
          Effect.gen(function* () {
            const { people, worsen } = yield* Network
            const [publisher, , user] = people
            yield* worsen(BAD)
            yield* publisher!.start("publish", LsCli.newPackage("gamma"), "--seed", ...FEW_ACKS)
            assert.strictEqual(versionOf(yield* user!.run("install", "gamma", "--dir", project())), "gamma@1.0.0")
          }).pipe(Effect.scoped),
        TIMEOUT_MS
      )
    })
  })
})

/**
 * The whole journey of a package, for real and on this machine alone: express, with everything that it
 * depends on, from an npm registry to a program that serves requests with it, over a real DHT (UDP) and
 * a real swarm (TCP). The npm registry is one on loopback, which offers what lies in node_modules here.
 *
 * `npm run demo` tells it as a story; with `--json` the story goes to stderr and stdout ends with
 * one line that says how it went.
 */
import { execFile, fork } from "node:child_process"
import * as Path from "node:path"
import { promisify } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { explain } from "../src/protocol/core/Errors.ts"
import * as Infohash from "../src/protocol/core/Infohash.ts"
import { DEFAULT_KEY_NAME, Keystore } from "../src/protocol/core/Keystore.ts"
import * as PackageSpec from "../src/protocol/core/PackageSpec.ts"
import * as PublicKey from "../src/protocol/core/PublicKey.ts"
import * as KeyString from "../src/protocol/dht/KeyString.ts"
import * as Resolve from "../src/protocol/registry/Resolve.ts"
import { Swarm } from "../src/protocol/swarm/Swarm.ts"
import * as Testnet from "../src/runtime/dht/Testnet.ts"
import * as LiveNode from "../src/runtime/LiveNode.ts"
import * as OfflineNode from "../src/runtime/OfflineNode.ts"
import { install, installLocked, mirror, seedAllOf } from "./DemoDeeds.ts"
import * as InstalledPackages from "./InstalledPackages.ts"
import * as NpmRegistry from "./NpmRegistry.ts"

const DHT_NODES = 12
const SEEDERS = ["seeder A", "seeder B"]

/** What the user asks for; it lies in this project's own node_modules. */
const NAME = "express"
const SPEC = "express@^5"

const USER_PROGRAM = `
import express from "express"
const app = express()
app.get("/", (request, response) => response.json({ hello: request.query.name }))
const server = app.listen(0, "127.0.0.1", async () => {
  const answer = await fetch(\`http://127.0.0.1:\${server.address().port}/?name=peers\`)
  console.log(\`GET /?name=peers → \${answer.status} \${await answer.text()}  (\${answer.headers.get("x-powered-by")})\`)
  server.close()
  server.closeAllConnections()
})
`

const root = Path.resolve(import.meta.dirname, "..")
const args = process.argv.slice(2)
const json = args.includes("--json")

const unknown = args.filter((argument) => argument !== "--json")
if (unknown.length > 0) {
  process.stderr.write(`The demo knows no argument but --json, not ${unknown.join(" ")}\n`)
  process.exit(2)
}

// Whoever reads the story (`| head`) may leave early; what was made for it is removed all the same.
process.stdout.on("error", () => {})

const say = (line = "") => Effect.sync(() => void (json ? process.stderr : process.stdout).write(`${line}\n`))
const chapter = (title: string) => say(`\n${title}`)
const detail = (text: string) => say(`   ${text}`)

const Entered = Schema.Struct({ bootstrap: Schema.Array(Schema.String) })

const timed = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(work), ([duration, value]) => ({ value, ms: Math.round(Duration.toMillis(duration)) }))

class NoTestnet extends Schema.TaggedError<NoTestnet>()("NoTestnet", {}) {
  override get message() {
    return "the process of the DHT ended before it had begun"
  }
}

/** A DHT in another process, so that it and the people on it do not wait for each other; gone with the scope. */
const testnetOf = Effect.fnUntraced(function* (nodes: number) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => fork(Path.join(import.meta.dirname, "DemoTestnet.ts"), [String(nodes)])),
    (started) => Effect.sync(() => started.kill())
  )
  const message = yield* Effect.callback<unknown, NoTestnet>((resume) => {
    child.once("message", (told) => resume(Effect.succeed(told)))
    child.once("exit", () => resume(Effect.fail(new NoTestnet())))
  })
  return yield* Schema.decodeUnknownEffect(Entered)(message)
})

type Services = Layer.Success<ReturnType<typeof LiveNode.layer>>

/** Somebody on the network: a home directory, a key and sockets of their own. */
const join = Effect.fnUntraced(function* (directory: string, name: string, bootstrap: ReadonlyArray<string>) {
  const home = Path.join(directory, name.replaceAll(" ", "-"))
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const layer = LiveNode.layer({ home, host: Testnet.HOST, port: 0, bootstrap })
  const context = yield* Scope.provide(Layer.build(layer), scope)
  const key = yield* Context.get(context, Keystore).create(DEFAULT_KEY_NAME)
  yield* detail(
    `${name.padEnd(10)} key ${PublicKey.toBase64(key.publicKey)}  peers at ${String(Context.get(context, Swarm).address)}`
  )
  return {
    key,
    /** Runs something as this person; what it keeps open stays open until they leave. */
    does: <A, E>(work: Effect.Effect<A, E, Services | Scope.Scope>) =>
      Scope.provide(Effect.provideContext(work, context), scope),
    leaves: Scope.close(scope, Exit.void)
  }
})

const specOf = (text: string) => Effect.fromResult(PackageSpec.parse(text))

const story = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-demo-" })

  yield* chapter(`1. A DHT: ${DHT_NODES} nodes on ${Testnet.HOST}, over UDP, in a process of their own`)
  const { ms: testnetMs, value: testnet } = yield* timed(testnetOf(DHT_NODES))
  yield* detail(`entered by ${testnet.bootstrap.join(", ")}  (${testnetMs} ms)`)

  yield* chapter("2. People, each with a key and a home directory of their own")
  const publisher = yield* join(directory, "publisher", testnet.bootstrap)
  const seeders = yield* Effect.forEach(SEEDERS, (name) => join(directory, name, testnet.bootstrap))
  const user = yield* join(directory, "user", testnet.bootstrap)

  yield* chapter(`3. The publisher mirrors ${SPEC} and all that it depends on from an npm registry`)
  const mirroring = yield* timed(
    Effect.scoped(
      Effect.gen(function* () {
        const offered = InstalledPackages.treeOf(root, NAME)
        const registry = yield* NpmRegistry.make(offered, { signer: NpmRegistry.makeSigner() })
        yield* detail(`a registry at ${registry.url} offers ${offered.length} packages, and signs each`)
        return yield* publisher.does(mirror(registry.url, SPEC))
      })
    )
  )
  const mirrored = mirroring.value
  const packed = mirrored.reduce((sum, { stored }) => sum + stored.release.s[1], 0)
  const { release } = mirrored.find(({ picked }) => picked.name === NAME)!.stored
  yield* detail(`published ${mirrored.length} packages, ${packed} bytes: each one's signature and SHA-512 are right`)
  yield* detail(`${release.n}@${release.v}  infohash ${Infohash.toHex(release.ih)}`)
  yield* detail(`   release     ${KeyString.release(release.n, release.v)}`)
  yield* detail(`   package     ${KeyString.packageOf(release.n)}`)
  yield* detail(`   catalogue   libreseed:announce:<key>`)
  yield* detail(`   name index  ${KeyString.nameIndex(release.n)}`)
  yield* detail(`took ${mirroring.ms} ms; the registry is gone`)

  yield* chapter("4. Two seeders fetch all that the publisher's catalogue lists, check every byte, and serve it")
  const seeding = yield* timed(
    Effect.forEach(
      seeders,
      (seeder, i) =>
        Effect.flatMap(seeder.does(seedAllOf(publisher.key.publicKey)), (count) =>
          detail(`${SEEDERS[i]} serves ${count} releases`)
        ),
      { concurrency: "unbounded" }
    )
  )
  yield* detail(`took ${seeding.ms} ms`)

  yield* chapter("5. The publisher goes away: sockets closed, nobody home")
  yield* publisher.leaves

  yield* chapter("6. The user asks the DHT by name: who publishes it, which version fits?")
  const spec = yield* specOf(SPEC)
  const resolving = yield* timed(user.does(Resolve.resolveByName(spec)))
  const { evidence, publisher: chosen, release: found } = resolving.value
  yield* detail(`${SPEC} → ${found.n}@${found.v}  signed by ${PublicKey.toBase64(chosen)}`)
  yield* detail(`   why: ${evidence.candidates[0]!.reason}; ${evidence.versions[0]!.reason}`)
  yield* detail(`took ${resolving.ms} ms`)

  yield* chapter("7. … installs it and its whole tree from the seeders: every piece checked, every file compared")
  const project = Path.join(directory, "project")
  const installing = yield* timed(user.does(install(project, spec)))
  const tree = installing.value
  yield* detail(`${tree.packages} packages in project/node_modules, and what they are in project/libreseed.lock.json`)
  yield* detail(`took ${installing.ms} ms`)

  yield* chapter("8. … removes node_modules, and installs what the lock file says, without any network")
  yield* fs.remove(Path.join(project, "node_modules"), { recursive: true })
  const again = yield* timed(user.does(installLocked(project)))
  yield* detail(`${again.value.packages} packages in project/node_modules again (${again.ms} ms)`)

  yield* chapter("9. … and runs a program there that serves requests with it")
  const program = Path.join(project, "program.mjs")
  yield* fs.writeFileString(program, USER_PROGRAM)
  const { stdout } = yield* Effect.tryPromise(() => promisify(execFile)(process.execPath, [program], { cwd: project }))
  yield* Effect.forEach(stdout.trim().split("\n"), detail)

  return {
    ok: true,
    installed: tree.installed.map(({ name, version }) => `${name}@${version}`),
    packages: tree.packages,
    publisher: PublicKey.toBase64(publisher.key.publicKey),
    dhtNodes: DHT_NODES,
    seeders: SEEDERS.length,
    ms: {
      mirror: mirroring.ms,
      seed: seeding.ms,
      resolve: resolving.ms,
      install: installing.ms,
      installLocked: again.ms
    }
  }
})

const told = timed(Effect.scoped(story)).pipe(
  Effect.tap(({ ms }) =>
    say(`\nDone in ${(ms / 1000).toFixed(1)} s. Everything that was made for it has been removed again.`)
  ),
  Effect.map(({ value }) => value)
)

const tellFailure = (error: unknown) => {
  const explained = explain(error)
  const message = explained?.message ?? String(error)
  return say(`\nThe demo failed: ${message}\n${explained?.hint ?? ""}`).pipe(Effect.as({ ok: false, error: message }))
}

const main = Effect.gen(function* () {
  yield* say("LibreSeed: a package registry that nobody runs. Everything below is real and stays on this machine.")
  const outcome = yield* Effect.result(told)
  const report = Result.isSuccess(outcome) ? outcome.success : yield* tellFailure(outcome.failure)
  yield* Effect.sync(() => {
    if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
    if (!report.ok) process.exitCode = 1
  })
})

NodeRuntime.runMain(Effect.provide(main, OfflineNode.platform), { disableErrorReporting: true })

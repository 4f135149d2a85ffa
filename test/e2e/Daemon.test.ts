import { createSocket } from "node:dgram"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { CONNECTIONS_MAX } from "../../src/runtime/daemon/DaemonConnections.ts"
import * as LsCli from "./Commands.ts"
import { PersonHere } from "./Here.ts"
import { Journey, testnet } from "./Journey.ts"
import { Person } from "./Person.ts"

const NODES = 20

const HELLO = `${JSON.stringify({ _tag: "Request", id: 1, tag: "hello", payload: { protocol: 1 }, headers: [] })}\n`

/** A UDP port that nobody has at the moment. */
const freePort = async (): Promise<number> => {
  const socket = createSocket("udp4").bind(0, "127.0.0.1")
  await once(socket, "listening")
  const { port } = socket.address()
  socket.close()
  return port
}

interface StatusDocument {
  readonly pid: number
  readonly command: string
  readonly socket: string
  readonly network: ReadonlyArray<string>
  readonly nodes: number
  readonly questions: number
}

const status = (person: Person): Promise<StatusDocument> => person.json("daemon", "status")

const daemonOf = async (person: Person) => {
  const running = person.start("daemon", "--json")
  const document = await running.document()
  return { running, document }
}

/** Waits until the notes of a publication that is under way say that a step is done; ends with the command, too. */
const noted = async (person: Person, step: string, publishing: LsCli.Running): Promise<void> => {
  const directory = Path.join(person.home, "publications")
  Fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  const abort = new AbortController()
  const watched = (async () => {
    for await (const _ of Fs.promises.watch(directory, { signal: abort.signal })) {
      const notes = Fs.readdirSync(directory).filter((file) => file.endsWith(".json"))
      if (notes.some((file) => Fs.readFileSync(Path.join(directory, file), "utf8").includes(`"${step}"`))) return
    }
  })()
  await Promise.race([watched, publishing.ended])
  abort.abort()
  await watched.catch(() => {})
}

/** What the first command line promises holds with daemons, too; without them `Processes.test.ts` goes the same way. */
describe("a package's way, with daemons", { timeout: 90_000 }, () => {
  let journey: Journey

  beforeAll(async () => {
    journey = new Journey(await testnet(NODES), "with-daemons")
  }, 60_000)

  afterAll(LsCli.cleanUp)

  it("is published, seeded, found, installed and imported", async () => {
    const questions = async (who: "publisher" | "user"): Promise<number> => {
      const { stdout } = await LsCli.run(["daemon", "status", ...journey.as(who)])
      return JSON.parse(stdout).questions
    }
    for (const who of ["publisher", "user"] as const) {
      await LsCli.startProgram(["daemon", ...journey.as(who)]).document()
    }
    await journey.publish()
    await journey.install()
    for (const who of ["publisher", "user"] as const) {
      assert.isAbove(await questions(who), 5, `the daemon of the ${who} was not asked`)
    }
  })
})

describe("ls-cli daemon", { timeout: 90_000 }, () => {
  let bootstrap = ""
  let person: Person
  /** The same, whose commands are no processes: for what is asked of the daemon itself. */
  let here: PersonHere

  beforeAll(async () => {
    bootstrap = await testnet(NODES)
    person = new Person("daemon", bootstrap)
    here = new PersonHere("daemon", bootstrap, person.home)
    await here.newKey()
    await here.publish(LsCli.newPackage("published"))
  }, 60_000)

  afterAll(LsCli.cleanUp)

  it("says where it is, serves the commands of its home, and ends when it is told to", async () => {
    await here.fails(3, "DaemonNotRunning", "daemon", "status")
    await here.fails(3, "DaemonNotRunning", "daemon", "stop")
    const { document, running } = await daemonOf(person)
    assert.deepStrictEqual(Object.keys(document), ["pid", "socket", "address", "network", "nodes"])
    assert.deepStrictEqual(document["network"], [bootstrap])
    assert.match(String(document["address"]), /^127\.0\.0\.1:\d+$/)
    assert.strictEqual(Fs.lstatSync(String(document["socket"])).mode & 0o777, 0o600)

    const before = await status(here)
    assert.strictEqual(before.pid, document["pid"])
    assert.strictEqual(before.command, "daemon")
    assert.isAtLeast(before.nodes, NODES / 2)
    const { name } = await person.resolve("published")
    assert.strictEqual(name, "published")
    const after = await status(here)
    assert.isAbove(after.questions, before.questions + 3)

    const elsewhere = (nodes: string, ...flags: ReadonlyArray<string>) =>
      LsCli.run(["resolve", "published", "--home", person.home, "--bootstrap", nodes, "--timeout", "10", ...flags])
    // Neither of these is the daemon's business.
    await person.resolve("published", "--no-daemon")
    const other = await elsewhere("127.0.0.1:9", "--log-level", "debug")
    assert.strictEqual(other.code, 5)
    assert.include(
      other.stdout + other.stderr,
      `it is in the DHT of ${bootstrap}, and this command in the DHT of 127.0.0.1:9`
    )
    // Each status says hello and asks; the command that meant another network said hello, too.
    const untouched = await status(here)
    assert.strictEqual(untouched.questions, after.questions + 3)
    // One node in common is enough.
    const same = await elsewhere(`127.0.0.1:9,${bootstrap.replace("127.0.0.1", "localhost")}`)
    assert.strictEqual(same.code, 0, same.stderr)
    assert.isAbove((await status(here)).questions, untouched.questions + 3)

    const stopped = await person.json<{ readonly pid: number; readonly stopped: boolean }>("daemon", "stop")
    assert.deepStrictEqual(stopped, { pid: before.pid, stopped: true })
    assert.strictEqual((await running.ended).code, 0)
    assert.isFalse(Fs.existsSync(before.socket))
    await person.resolve("published")
  })

  it("spares the commands that only look something up the DHT client and the swarm", async () => {
    const { running } = await daemonOf(person)
    // Tells which packages a command loads.
    const hook = `import { registerHooks } from "node:module"
      registerHooks({ resolve: (name, context, next) => {
        if (/^(bittorrent-dht|k-rpc|torrent-stream)$/.test(name)) process.stderr.write("loads " + name + "\\n")
        return next(name, context)
      } })`
    const environment = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` }
    const loading = async (...args: ReadonlyArray<string>) => {
      const ended = await LsCli.run(person.args(args), environment)
      assert.strictEqual(ended.code, 0, ended.stderr)
      return ended.stderr.split("\n").filter((line) => line.startsWith("loads "))
    }
    assert.deepStrictEqual(await loading("resolve", "published"), [])
    assert.deepStrictEqual(await loading("query", "published"), [])
    assert.include(await loading("resolve", "published", "--no-daemon"), "loads bittorrent-dht")
    assert.notInclude(await loading("resolve", "published", "--no-daemon"), "loads torrent-stream")
    await running.stop()
  })

  it("is alone in its home, whoever else would be one", async () => {
    const { document, running } = await daemonOf(person)
    const failure = await person.fails(2, "DaemonRunning", "daemon")
    assert.include(failure.message, `process ${document["pid"]}`)
    const seeding = await person.seed()
    assert.strictEqual((await status(here)).command, "daemon")
    assert.strictEqual((await seeding.stop()).code, 0)
    assert.strictEqual((await status(here)).command, "daemon")
    assert.strictEqual((await running.stop()).code, 0)
  })

  it("gives way to an ls-cli seed beside it when it ends", async () => {
    const { running } = await daemonOf(person)
    const seeding = await person.seed()
    assert.strictEqual((await running.stop()).code, 0)
    const next = async (): Promise<StatusDocument> => {
      const ended = await here.run("daemon", "status", "--json")
      return ended.code === 0 ? JSON.parse(ended.stdout) : next()
    }
    assert.strictEqual((await next()).command, "seed")
    assert.strictEqual((await seeding.stop()).code, 0)
  })

  it("leaves no socket and no lock when its terminal is closed", async () => {
    const { document, running } = await daemonOf(person)
    assert.strictEqual((await running.stop("SIGHUP")).code, 0)
    assert.isFalse(Fs.existsSync(String(document["socket"])))
    assert.deepStrictEqual(
      Fs.readdirSync(person.home).filter((name) => /\.(lock|pid)$/.test(name)),
      []
    )
  })

  it("says that it knows nobody yet where the network is absent, and goes on trying", async () => {
    const nowhere = new Person("nowhere", "127.0.0.1:9")
    const running = nowhere.start("daemon")
    await running.says("Press Ctrl-C to stop")
    const { code, stderr, stdout } = await running.stop()
    assert.strictEqual(code, 0)
    assert.include(stdout, "knows nobody yet")
    assert.notInclude(stdout, "now use its node")
    assert.notInclude(stderr, "done in")
    assert.include(stderr, "It goes on trying: ")
  })

  it("is what ls-cli seed is, too, which is not stopped from elsewhere", async () => {
    const seeding = await person.seed()
    const served = async (): Promise<StatusDocument> => {
      const ended = await here.run("daemon", "status", "--json")
      return ended.code === 0 ? JSON.parse(ended.stdout) : served()
    }
    const { command, questions } = await served()
    assert.strictEqual(command, "seed")
    await person.resolve("published")
    assert.isAbove((await status(here)).questions, questions + 3)
    await here.fails(2, "DaemonNotStoppable", "daemon", "stop")
    const failure = await person.fails(2, "DaemonRunning", "daemon")
    assert.match(failure.message, /ls-cli seed \(process \d+\)/)
    assert.include(failure.hint, "One of the two is enough")
    assert.strictEqual((await seeding.stop()).code, 0)
  })

  it("may be killed in the middle of a publication: the command goes on by itself", async () => {
    const { running } = await daemonOf(person)
    const path = LsCli.newPackage("survivor")
    const publishing = person.start("publish", path, "--json")
    await noted(person, "stored", publishing)
    await running.stop("SIGKILL")
    const { code, stderr, stdout } = await publishing.ended
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(stderr, "")
    assert.strictEqual(JSON.parse(stdout).name, "survivor")
    // What it left is no daemon, and stands in nobody's way.
    assert.strictEqual((await here.resolve("survivor")).name, "survivor")
    await here.fails(3, "DaemonNotRunning", "daemon", "status")
    const next = await daemonOf(person)
    assert.strictEqual((await status(here)).pid, next.document["pid"])
    await next.running.stop()
  })

  it("may hang: commands do not wait for it, and it is not pushed aside", async () => {
    const { running } = await daemonOf(person)
    const { pid } = await status(here)
    process.kill(pid, "SIGSTOP")
    try {
      const asking = [
        ["daemon", "status"],
        ["daemon", "stop"],
        ["daemon", "metrics"]
      ]
      // Each of them waits for a while: all at once.
      const [{ name }, failure, doctor] = await Promise.all([
        person.resolve("published"),
        person.fails(2, "DaemonRunning", "daemon"),
        here.run("doctor", "--json"),
        ...asking.map(async (args) => {
          const silent = await here.fails(5, "DaemonSilent", ...args)
          assert.include(silent.message, `process ${pid}`)
          assert.include(silent.hint, `kill ${pid}`)
        })
      ])
      assert.strictEqual(name, "published")
      assert.include(failure.message, `process ${pid}, which does not answer`)
      assert.strictEqual(doctor.code, 5)
      assert.include(doctor.stderr, "Not well: daemon")
    } finally {
      process.kill(pid, "SIGCONT")
    }
    assert.strictEqual((await running.stop()).code, 0)
  })

  it("may have as many connections as it takes: it is there all the same", async () => {
    const { document, running } = await daemonOf(person)
    const held = await Promise.all(
      Array.from({ length: CONNECTIONS_MAX }, async () => {
        const socket = Net.connect(String(document["socket"])).on("error", () => {})
        // Who says hello may stay.
        socket.write(HELLO)
        await once(socket, "data")
        return socket
      })
    )
    const silent = await here.fails(5, "DaemonSilent", "daemon", "status")
    assert.include(silent.message, `process ${document["pid"]}`)
    for (const socket of held) socket.destroy()
    assert.strictEqual((await running.stop()).code, 0)
  })
})

describe("ls-cli seed", { timeout: 90_000 }, () => {
  afterAll(LsCli.cleanUp)

  it("stays where the network is absent, and announces what it has when that comes", async () => {
    const before = await testnet(NODES)
    const person = new Person("late", before)
    const here = new PersonHere("late", before, person.home)
    await here.newKey()
    await here.publish(LsCli.newPackage("late"))
    const port = await freePort()
    const late = new Person("empty", `127.0.0.1:${port}`)
    const seeding = LsCli.startProgram(["seed", "--home", person.home, "--bootstrap", late.bootstrap])
    const empty = late.start("seed")
    await Promise.all([seeding, empty].map((each) => each.says("It goes on trying: ")))
    LsCli.startProgram(["testnet", "--listen", late.bootstrap, "--nodes", String(NODES)])
    await Promise.all([seeding, empty].map((each) => each.says("It got through")))
    const { code, stderr, stdout } = await seeding.stop()
    assert.strictEqual(code, 0, stderr)
    assert.match(stdout, /^Seeding 0 releases on .*\nNot announced yet: 1 release\n {2}late@1\.0\.0/)
    assert.include(stderr, "It got through: 1 release announced")
    assert.strictEqual((await empty.stop()).code, 0)
  })
})

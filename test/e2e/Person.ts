/** Somebody with a home of their own, who runs `ls-cli` on one network and says what must come of it. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert } from "vitest"
import * as LsCli from "./Commands.ts"

/** What `publish` and `resolve` print. */
export interface ReleaseDocument {
  readonly name: string
  readonly version: string
  readonly publisher: string
  readonly infohash: string
  readonly sha256: string
}

/** One of the things that `resolve --json` tells about how it chose. */
export interface EvidenceItem {
  readonly kind: "record" | "publisher" | "version" | "warning"
  readonly [key: string]: unknown
}

export interface ResolvedDocument extends ReleaseDocument {
  readonly flags: ReadonlyArray<string>
  readonly lookups: number
  readonly evidence: ReadonlyArray<EvidenceItem>
}

export interface QueryDocument {
  readonly name: string
  readonly publishers: ReadonlyArray<{
    readonly publisher: string
    readonly latestVersion: string
    readonly refused?: string
    readonly seeders?: number
  }>
}

/** Starts a loopback DHT that lives until `LsCli.cleanUp`; gives the address to enter it by. Every test file begins with it. */
export const testnet = async (nodes = 20): Promise<string> => {
  const { bootstrap } = await LsCli.start(["testnet", "--nodes", String(nodes), "--json"]).document()
  return String(bootstrap)
}

export class Person {
  readonly home: string
  readonly bootstrap: string

  /** With a home of that label, or the one that is given. */
  constructor(label: string, bootstrap: string, home = LsCli.directory(label)) {
    this.home = home
    this.bootstrap = bootstrap
  }

  args(args: ReadonlyArray<string>): ReadonlyArray<string> {
    return [...args, "--home", this.home, "--bootstrap", this.bootstrap]
  }

  start(...args: ReadonlyArray<string>): LsCli.Running {
    return LsCli.startProgram(this.args(args))
  }

  /** Runs a command that may end in any way. */
  run(...args: ReadonlyArray<string>): Promise<LsCli.Ended> {
    return this.start(...args).ended
  }

  /** Runs a command that must succeed, for people. */
  async says(...args: ReadonlyArray<string>): Promise<LsCli.Ended> {
    const ended = await this.run(...args)
    assert.strictEqual(ended.code, 0, `${args.join(" ")}: ${ended.stderr}`)
    return ended
  }

  /** Runs a command that must succeed, and say nothing but one document. */
  async json<A>(...args: ReadonlyArray<string>): Promise<A> {
    const ended = await this.says(...args, "--json")
    assert.strictEqual(ended.stderr, "")
    assert.match(ended.stdout, /^[^\n]+\n$/, "one line")
    return JSON.parse(ended.stdout)
  }

  resolve(spec: string, ...flags: ReadonlyArray<string>): Promise<ResolvedDocument> {
    return this.json("resolve", spec, ...flags)
  }

  publish(path: string, ...flags: ReadonlyArray<string>): Promise<ReleaseDocument> {
    return this.json("publish", path, ...flags)
  }

  /** Runs a command that must fail with this exit code and error, say what to do, and print no result. */
  async fails(code: number, tag: string, ...args: ReadonlyArray<string>) {
    const ended = await this.run(...args, "--json")
    assert.strictEqual(ended.code, code, `${args.join(" ")}: ${ended.stdout}${ended.stderr}`)
    assert.strictEqual(ended.stdout, "")
    const failure = LsCli.failure(ended)
    assert.strictEqual(failure.code, tag, failure.message)
    assert.isAbove(failure.message.length, 10)
    assert.isAbove(failure.hint.length, 10)
    return failure
  }

  /** Makes a key; gives its public half in base64. */
  async newKey(name = "default"): Promise<string> {
    const { publicKey } = await this.json<{ readonly publicKey: string }>("keys", "new", name)
    return publicKey
  }

  /** Serves all that is in the store from now on, until it is stopped. */
  async seed(...args: ReadonlyArray<string>): Promise<LsCli.Running> {
    const seeding = this.start("seed", ...args, "--json")
    await seeding.document()
    return seeding
  }

  /** Every file of the home, by its path in there, with its bytes in base64. */
  files(under = ""): ReadonlyMap<string, string> {
    const root = Path.join(this.home, under)
    if (!Fs.existsSync(root)) return new Map()
    const paths = Fs.readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted()
    return new Map(
      paths
        .filter((path) => Fs.statSync(Path.join(root, path)).isFile())
        .map((path) => [path, Fs.readFileSync(Path.join(root, path), "base64")])
    )
  }
}

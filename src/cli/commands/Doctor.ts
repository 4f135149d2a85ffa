/** `ls-cli doctor`: how well this machine reaches the network, and what to do about each thing that is amiss. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Os from "node:os"
import { ExitCode } from "../../protocol/core/Errors.ts"
import * as DnsSeed from "../../runtime/dht/entry/DnsSeed.ts"
import * as HostLookup from "../../runtime/dht/entry/HostLookup.ts"
import * as MetNodes from "../../runtime/dht/entry/MetNodes.ts"
import * as RememberedNodes from "../../runtime/dht/entry/RememberedNodes.ts"
import * as Diagnosis from "../../runtime/doctor/Diagnosis.ts"
import * as Examination from "../../runtime/doctor/Examination.ts"
import * as HomeDirectory from "../../runtime/doctor/HomeDirectory.ts"
import * as Sntp from "../../runtime/doctor/Sntp.ts"
import { DhtError, NetworkForbidden } from "../../protocol/dht/DhtError.ts"
import * as OfflineNode from "../../runtime/OfflineNode.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { isNode } from "../NodeAddress.ts"
import { InvalidArgument } from "../Settings.ts"

export interface Flags {
  readonly timeServer: Option.Option<string>
  readonly noWrite: boolean
}

/** Nothing can be done on this network as it is. The findings are the result; this is how the command ends. */
export class NotConnected extends Schema.TaggedError<NotConnected>()("NotConnected", {
  checks: Schema.Array(Schema.String)
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "What to do about each of them is said above."
  override get message() {
    return `Not well: ${this.checks.join(", ")}`
  }
}

const MARKS: { readonly [verdict in Diagnosis.Verdict]: string } = {
  good: "ok  ",
  poor: "poor",
  bad: "BAD ",
  unknown: "?   "
}

const linesOf = ({ advice, check, summary, verdict }: Diagnosis.Finding): ReadonlyArray<string> => [
  `${MARKS[verdict]}  ${check.padEnd(8)}${summary}`,
  ...(advice === undefined ? [] : [`              → ${advice}`])
]

const timeServerOf = (given: Option.Option<string>, isPrivate: boolean) => {
  if (Option.isNone(given)) return Effect.succeed(isPrivate ? undefined : Sntp.DEFAULT_SERVER)
  if (isNode(given.value)) return Effect.succeed(given.value)
  return Effect.fail(
    new InvalidArgument({
      argument: "--time-server",
      problem: `"${given.value}" is not host:port`,
      hint: `Give one like ${Sntp.DEFAULT_SERVER}.`
    })
  )
}

const interfaces = (): ReadonlyArray<string> =>
  Object.values(Os.networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address))

/** Nodes of last time that are asked beside the others: enough to get in, should no router answer. */
const REMEMBERED = 16

/** `host:port` of the nodes to start from, as other commands do. */
const starts = Effect.gen(function* () {
  const { bootstrap, host, isPublic, sources } = yield* Session
  const seeds = yield* Effect.forEach(sources.dnsSeeds, (domain) => DnsSeed.nodesOf(domain, HostLookup.system), {
    concurrency: "unbounded"
  })
  const random = yield* Random.Random
  const { nodes } = isPublic ? yield* RememberedNodes.load(host) : RememberedNodes.EMPTY
  const met = MetNodes.order(nodes, () => random.nextDoubleUnsafe()).slice(0, REMEMBERED)
  return [...new Set([...bootstrap, ...seeds.flat(), ...met.map(({ address }) => address)])]
})

/** `daemon` is that of this home, if one runs. */
export const run = Effect.fnUntraced(function* (
  { noWrite, timeServer }: Flags,
  daemon: Diagnosis.Measurements["daemon"]
) {
  const output = yield* Output
  const { home, host, isPublic, limited, offline, port } = yield* Session
  if (offline) return yield* new DhtError({ reason: new NetworkForbidden({ purpose: "examine the way to others" }) })
  const server = yield* timeServerOf(timeServer, !isPublic)
  const examination = Effect.gen(function* () {
    const bootstrap = yield* starts
    return yield* Examination.examine({
      host,
      port,
      bootstrap,
      writes: !noWrite,
      timeServer: server,
      daemon,
      home: HomeDirectory.stateOf(home),
      interfaces
    })
  })
  const measured = yield* output
    .task("Examining the connection to the network", () => limited(examination))
    .pipe(Effect.provide(OfflineNode.keystore({ home })))
  const findings = Diagnosis.diagnose(measured)
  const verdict = Diagnosis.overall(findings)
  const document = { ...measured, external: measured.external ?? null, daemon: measured.daemon ?? null }
  yield* output.result({ verdict, findings, measured: document }, findings.flatMap(linesOf))
  if (verdict === "bad") {
    const checks = findings.filter((finding) => finding.verdict === "bad").map(({ check }) => check)
    return yield* new NotConnected({ checks })
  }
})

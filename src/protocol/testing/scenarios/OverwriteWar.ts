/**
 * Somebody overwrites the shared record of a name without pause: with nothing, with garbage, with ever higher
 * numbers, up to the last one there is. Who knows the name goes on as if nothing had happened; who has
 * never heard of it finds its publishers by the second carrier; and once the adversary is tired the claims
 * are back where they were, put there by whoever keeps the records alive.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { PackageName } from "../../core/PackageName.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import * as Record from "../../dht/Record.ts"
import * as NameIndex from "../../registry/NameIndex.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE, SECOND } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import { notYet, Witness } from "./Witness.ts"

const NAME = "embattled"

const WAR_MS = 30 * MINUTE
const PEACE_MS = 10 * MINUTE

/** Between two looks whether the claims are back: keepers look into the matter once in a while only. */
const LOOK_EVERY_MS = 30 * MINUTE

/** How often somebody new runs the command, and after which time again, until it has to succeed. */
const TRIES_MAX = 30
const TRY_AGAIN_MS = 20 * SECOND

/** Numbers that are left to those who write after the adversary began at the far end. */
const FAR_END = 100_000

const BYTES_MAX = 300

type Style = "climbs" | "begins at the far end" | "uses up the numbers"

const nothing = NameIndex.toBytes(new Map())

/** What the adversary leaves there: no claims, bytes that mean nothing, or a tree that does not exist. */
const rubbish = (chance: Chance): Uint8Array => {
  switch (chance.below(3)) {
    case 0:
      return nothing
    case 1:
      return chance.bytes(chance.below(BYTES_MAX))
    default: {
      const root = chance.bytes(20)
      return Uint8Array.from([..."d1:cle1:ki9e1:r20:"].map((unit) => unit.charCodeAt(0)).concat([...root, 0x65]))
    }
  }
}

const seqAfter = (style: Style, current: number, chance: Chance): number => {
  switch (style) {
    case "climbs":
      return current + chance.between(1, 1_000)
    case "begins at the far end":
      return Math.min(Record.SEQ_MAX - 1, Math.max(Record.SEQ_MAX - FAR_END, current + 1))
    case "uses up the numbers":
      return Record.SEQ_MAX
  }
}

export const overwriteWar = make({
  name: "overwrite-war",
  about: "somebody overwrites the shared record of a name without pause; everybody finds its publishers all the same",
  convergesWithinMs: 26 * HOUR,
  faults: (chance) => [
    Fault.loss({ atMs: chance.below(WAR_MS), forMs: chance.between(MINUTE, WAR_MS) }, chance.between(0, 15) / 100),
    Fault.slow({ atMs: chance.below(WAR_MS), forMs: 5 * MINUTE }, chance.between(30, 200), 1_000),
    Fault.churn({ atMs: 0, forMs: WAR_MS }, chance.fraction() / 2)
  ],
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const [one, two, keeper, regular, warlord] = yield* Actors.people(world, [
      "one",
      "two",
      "keeper",
      "regular",
      "warlord"
    ])
    const name = PackageName.make(NAME)
    const witness = new Witness()
    const publishers = [one!, two!]
    const keys = new Set(publishers.map(({ publicKey }) => PublicKey.toHex(publicKey)))
    const style = chance.pick<Style>(["climbs", "climbs", "begins at the far end", "uses up the numbers"])

    for (const each of [...publishers, keeper!]) each.keepAlive()
    yield* Effect.forEach(publishers, (each, i) => each.publish({ name: NAME, version: `${i + 1}.0.0` }), {
      discard: true
    })
    // Who keeps a package alive holds its records and answers for its name, without any key.
    yield* keeper!.install(NAME)
    yield* regular!.install(NAME)

    const inRecord = (who: Actors.Person) =>
      Effect.map(who.host.run(NameIndex.read(name, { askPeers: false })), ({ inNetwork }) =>
        [...keys].filter((key) => inNetwork.has(key))
      )
    const overwrite = Adversary.overwriteName(warlord!.host, NAME, (current) => ({
      seq: seqAfter(style, current?.seq ?? 0, chance),
      value: rubbish(chance)
    })).pipe(Effect.tap(() => Effect.sync(() => witness.count("overwritten"))))

    const attacks: Array<number> = []
    for (let at = chance.below(MINUTE); at < WAR_MS; at += chance.between(5 * SECOND, 80 * SECOND)) attacks.push(at)

    /** Somebody who never heard of the name before, at a machine that is new. */
    const newcomer = (label: string) =>
      Effect.gen(function* () {
        const user = yield* Actors.person(world, label)
        const { publisher } = yield* user.resolve(NAME).pipe(
          Effect.tapError(() => Effect.sync(() => witness.count("newcomers' failures"))),
          // Peers are asked within two seconds, and somebody new has to find his way to them first.
          Effect.retry({ times: TRIES_MAX - 1, schedule: Schedule.spaced(TRY_AGAIN_MS) })
        )
        if (!keys.has(PublicKey.toHex(publisher))) witness.object(`${label} was sent to somebody who never published`)
        witness.count("newcomers")
      })
    const knows = Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      yield* regular!.resolve(NAME)
      witness.count("waited ms", (yield* Clock.currentTimeMillis) - began)
    })
    const newest = `1.${chance.between(1, 9)}.0`
    const publishAgain = one!.publish({ name: NAME, version: newest })

    const isBack = Effect.gen(function* () {
      for (;;) {
        const found = yield* Effect.orElseSucceed(inRecord(regular!), () => [])
        if (found.length === keys.size) return
        yield* Effect.sleep(LOOK_EVERY_MS)
      }
    })
    return {
      laws: [witness.law("nobody is sent to somebody who never published")],
      steps: [
        ...attacks.map((atMs) => ({ atMs, title: `the record of ${NAME} is overwritten`, run: overwrite })),
        ...Array.from({ length: 6 }, () => ({
          atMs: chance.below(WAR_MS),
          title: `regular resolves ${NAME}`,
          run: knows,
          mustSucceed: true
        })),
        ...Array.from({ length: 3 }, (_, i) => ({
          atMs: chance.below(WAR_MS),
          title: `newcomer ${i + 1} resolves ${NAME}`,
          run: newcomer(`new${i + 1}`),
          mustSucceed: true
        })),
        {
          // Its claim may not come to stand in the shared record while the war goes on.
          atMs: chance.below(WAR_MS),
          title: `one publishes ${NAME}@${newest}`,
          run: publishAgain
        },
        {
          atMs: WAR_MS + chance.below(PEACE_MS),
          title: `newcomer after the war resolves ${NAME}`,
          run: newcomer("after"),
          mustSucceed: true
        }
      ],
      goals: [
        // Once the last number is used up nobody can write there until the nodes have forgotten, and some never do.
        ...(style === "uses up the numbers"
          ? []
          : [{ title: `every claim on ${NAME} is back in the shared record`, reach: isBack }]),
        {
          title: `regular gets one's ${newest}`,
          reach: Effect.gen(function* () {
            const { release } = yield* regular!.resolve(NAME, "latest", { publisher: one!.publicKey })
            if (release.v !== newest) return yield* notYet(`regular gets ${release.v}`)
          })
        }
      ],
      figures: () => ({
        ...witness.figures(["overwritten", "newcomers", "newcomers' failures", "waited ms"]),
        attacks: attacks.length
      })
    }
  })
})

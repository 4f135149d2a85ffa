/** `ls-cli publish <dir|tgz>`: a package under the user's key. */
import * as Effect from "effect/Effect"
import { Keystore } from "../../protocol/core/Keystore.ts"
import * as Republish from "../../protocol/registry/Republish.ts"
import { publishPackage } from "../../protocol/swarm/PublishPackage.ts"
import { readPackage } from "../../runtime/archive/ReadPackage.ts"
import { Output } from "../Output.ts"
import * as Progress from "../Progress.ts"
import { Session } from "../Session.ts"
import * as Describe from "./Describe.ts"
import { keyNameOf } from "./Keys.ts"
import * as Network from "./Network.ts"

export const run = Effect.fnUntraced(function* (location: string, keyText: string, seeds: boolean) {
  const output = yield* Output
  const session = yield* Session
  const keyName = yield* keyNameOf(keyText)
  const work = Effect.gen(function* () {
    const keystore = yield* Keystore
    const keyPair = yield* keystore.load(keyName)
    const packed = yield* output.task(`Packing ${location}`, () => readPackage(location))
    const label = `${packed.name}@${packed.version}`
    yield* output.note(
      `${label}: ${Object.keys(packed.files).length} files, packed ${Progress.size(packed.tarball.length)}`
    )
    return yield* output.task(`Publishing ${label}`, () => publishPackage(keyPair, packed))
  })
  yield* Effect.gen(function* () {
    const published = yield* session.limited(work)
    yield* output.result(Describe.document(published), Describe.lines(published))
    if (!seeds)
      return yield* output.note("Nobody serves it yet. To serve it yourself: ls-cli seed (again, if one is running)")
    yield* output.note("Seeding. Press Ctrl-C to stop.")
    return yield* Effect.raceFirst(Republish.forever, output.stay)
  }).pipe(Effect.scoped, Network.provide)
})

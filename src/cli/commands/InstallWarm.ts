/** An install from what lies on this machine, which needs so little that nothing else is loaded for it. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as InstalledState from "../../runtime/install/InstalledState.ts"
import * as WarmTree from "../../runtime/install/WarmTree.ts"
import * as Home from "../../runtime/store/Home.ts"
import { Session } from "../Session.ts"
import * as InstallText from "./InstallText.ts"

/** Whether it did all that there was to do, and told it. */
export const installWarm = Effect.fnUntraced(function* (directory: string, request: InstalledState.Request) {
  const { home, limited } = yield* Session
  const work = Effect.flatMap(Home.Home, (stores) => WarmTree.install(directory, stores, request)).pipe(
    Effect.provide(Layer.merge(NodeCrypto.layerSecureRandom, Home.layer(home)))
  )
  const report = yield* limited(work)
  if (report === undefined) return false
  yield* InstallText.tell(report, false)
  return true
})

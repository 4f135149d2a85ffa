/** An install from what lies on this machine, which needs so little that nothing else is loaded for it. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as InstalledState from "../../runtime/install/InstalledState.ts"
import * as WarmTree from "../../runtime/install/WarmTree.ts"
import * as Home from "../../runtime/store/Home.ts"

/** What it came to, from the store below `home`; `undefined` where that is not all that there is to do. */
export const install = (directory: string, home: string, request: InstalledState.Request) =>
  Effect.flatMap(Home.Home, (stores) => WarmTree.install(directory, stores, request)).pipe(
    Effect.provide(Layer.merge(NodeCrypto.layerSecureRandom, Home.layer(home)))
  )

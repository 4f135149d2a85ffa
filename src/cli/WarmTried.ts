/** Whether an install from what lies on this machine was tried before the program was loaded, and did not do. */
import * as Context from "effect/Context"

export const WarmTried = Context.Reference<boolean>("@libreseed/protocol/cli/WarmTried", {
  defaultValue: () => false
})

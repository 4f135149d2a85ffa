/** `ls-cli` from its sources. */
import { main } from "./CommandLine.ts"

main(process.argv.slice(2))

# Writes a header with the commit that is being built, at every build but only when it has changed.
#   cmake -DSOURCE=<repository> -DOUT=<header> -P WriteCommit.cmake
execute_process(
  COMMAND git -C ${SOURCE} describe --always --dirty
  OUTPUT_VARIABLE COMMIT
  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
)
if(NOT COMMIT)
  set(COMMIT unknown)
endif()
set(TEXT "#pragma once\n\n#define ETVK_COMMIT \"${COMMIT}\"\n")
if(EXISTS ${OUT})
  file(READ ${OUT} OLD_TEXT)
endif()
if(NOT TEXT STREQUAL "${OLD_TEXT}")
  file(WRITE ${OUT} "${TEXT}")
endif()

# Finds the flatbuffers compiler of the headers' version: what another one generates does not compile
# with them. Sets ETVK_FLATC, or fails and names what it found.
#   ETVK_FLATBUFFERS_HEADERS  folder with flatbuffers/base.h
#   ETVK_FLATC                command to try first

# "2.0.8", as base.h defines it in three lines.
function(etvk_flatbuffers_headers_version RESULT)
  set(VERSION)
  foreach(PART MAJOR MINOR REVISION)
    file(STRINGS ${ETVK_FLATBUFFERS_HEADERS}/flatbuffers/base.h LINE
         REGEX "define FLATBUFFERS_VERSION_${PART} +[0-9]+"
    )
    string(REGEX MATCH "[0-9]+$" NUMBER "${LINE}")
    list(APPEND VERSION ${NUMBER})
  endforeach()
  string(JOIN "." VERSION ${VERSION})
  set(${RESULT} ${VERSION} PARENT_SCOPE)
endfunction()

# What `flatc --version` says; empty if it cannot be run.
function(etvk_flatc_version RESULT COMMAND)
  execute_process(
    COMMAND ${COMMAND} --version TIMEOUT 20
    OUTPUT_VARIABLE TEXT ERROR_QUIET RESULT_VARIABLE STATUS
  )
  set(VERSION)
  if(STATUS EQUAL 0 AND TEXT MATCHES "version ([0-9.]+)")
    set(VERSION ${CMAKE_MATCH_1})
  endif()
  set(${RESULT} "${VERSION}" PARENT_SCOPE)
endfunction()

# find_program calls this for one candidate after the other.
function(etvk_is_matching_flatc RESULT CANDIDATE)
  etvk_flatbuffers_headers_version(WANTED)
  etvk_flatc_version(VERSION ${CANDIDATE})
  if(NOT VERSION STREQUAL WANTED)
    set_property(GLOBAL APPEND PROPERTY ETVK_OTHER_FLATC "${CANDIDATE} is '${VERSION}'")
    set(${RESULT} FALSE PARENT_SCOPE)
  endif()
endfunction()

if(ETVK_FLATC)
  set(MATCHES TRUE)
  etvk_is_matching_flatc(MATCHES ${ETVK_FLATC})
  if(NOT MATCHES)
    message(STATUS "Not using ETVK_FLATC=${ETVK_FLATC}: it is not of the headers' version")
    unset(ETVK_FLATC CACHE)
    unset(ETVK_FLATC)
  endif()
endif()
find_program(ETVK_FLATC flatc VALIDATOR etvk_is_matching_flatc)
if(NOT ETVK_FLATC)
  etvk_flatbuffers_headers_version(WANTED)
  get_property(OTHERS GLOBAL PROPERTY ETVK_OTHER_FLATC)
  if(OTHERS)
    list(JOIN OTHERS ", " OTHERS)
  else()
    set(OTHERS "there is none on the PATH")
  endif()
  message(FATAL_ERROR "no flatc matches the flatbuffers headers in ${ETVK_FLATBUFFERS_HEADERS}, "
                      "which are ${WANTED}: ${OTHERS}. Install both from one place (on Debian and "
                      "Ubuntu flatbuffers-compiler and libflatbuffers-dev), or name a flatc "
                      "${WANTED} with -DETVK_FLATC=..."
  )
endif()

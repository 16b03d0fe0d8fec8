/*
 * version.h - the version of the program.
 */
#ifndef SERVER_HTTP_VERSION_H
#define SERVER_HTTP_VERSION_H

#define SKALD_VERSION "0.1.0"

#endif

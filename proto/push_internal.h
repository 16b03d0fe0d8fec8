/*
 * push_internal.h - what the files of the push decoder share.
 */
#ifndef PROTO_PUSH_INTERNAL_H
#define PROTO_PUSH_INTERNAL_H

#include "proto/push.h"

/*
 * The message of push.proto, outside its snappy block. Views borrow `message`; labels stay text.
 *
 * ST_INVALID, ST_LIMIT  as push_decode()
 */
MUST_CHECK enum status push_decode_message(struct arena *a, struct str message,
                                           struct push_request *ret_request, struct err *err);

#endif

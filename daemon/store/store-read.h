/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading side of the local store: the entries of store_local_ops that only read (store.h has the contracts).
 */
#ifndef LIUHEN_STORE_STORE_READ_H
#define LIUHEN_STORE_STORE_READ_H

#include "store/store.h"

int store_read_open_content(struct store *s, const struct recording_id *id, const char *name, int *ret_fd,
                            struct error *err);
int store_read_arrival_text(struct store *s, const struct recording_id *id, char **ret_text,
                            struct error *err);
int store_read_describe(struct store *s, const struct recording_id *id, struct store_object *ret,
                        struct error *err);
int store_read_each_object(struct store *s, store_on_object on_object, store_on_foreign on_foreign,
                           void *userdata, struct error *err);
int store_read_check_object(struct store *s, const struct recording_id *id, const struct store_expect *expect,
                            bool deep, store_on_fault on_fault, void *userdata, struct error *err);

#endif

/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * openapi.yaml (OpenAPI 3.1) from the table of routes and the table of permissions; what answers look like is in components.yaml.
 */
#ifndef LIUHEN_API_OPENAPI_H
#define LIUHEN_API_OPENAPI_H

#include "base/error.h"

/* The whole text, new string. Return: 0, -ENOMEM, -ENOENT (a parameter of the table has no description here: our own mistake). */
int openapi_text(char **ret, struct error *err);

#endif

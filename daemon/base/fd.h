/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * File descriptors: whole reads and writes, fsync, opening that stays below a folder, and reading a small file. Every
 * function returns 0 or a negative errno unless it says otherwise; nothing here logs.
 */
#ifndef LIUHEN_BASE_FD_H
#define LIUHEN_BASE_FD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/macro.h"

/* Reads until size bytes or end of file. Return: bytes read (≥ 0) or negative errno. */
ssize_t fd_read_full(int fd, void *buf, size_t size);
ssize_t fd_pread_full(int fd, void *buf, size_t size, off_t offset);

/* Writes all bytes. Return: 0 or negative errno (a short write is taken up again). */
int fd_write_full(int fd, const void *buf, size_t size);

int fd_sync(int fd);   /* fsync with the error returned */
int fd_syncfs(int fd); /* syncfs: every dirty page and inode of fd's file system */

/* The mount that fd was opened through (statx(2), STATX_MNT_ID), 0 when the kernel does not tell. Two folders of one file system can
 * lie in different mounts (bind mounts, systemd's sandbox): renames between them end with EXDEV. */
uint64_t fd_mount_id(int fd);

/* Opens path below dirfd with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS): no component may
 * be a symbolic link, nothing leaves dirfd. O_CLOEXEC is added. Return: fd or negative errno (-ELOOP: a link). */
int fd_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* mkdir -p below dirfd, every component checked as above; new folders are made durable when sync is true. */
int fd_mkdir_beneath(int dirfd, const char *path, mode_t mode, bool sync);

/* renameat2(RENAME_NOREPLACE). Return: 0, -EEXIST, other negative errno. */
int fd_rename_noreplace(int from_dirfd, const char *from, int to_dirfd, const char *to);

/* Reads a whole regular file of at most max bytes into a new NUL-terminated buffer (caller frees).
 * Return: 0, -EFBIG when larger, -ENOENT …; *ret_size may be NULL. */
int fd_read_file_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size);

/* Removes a tree below dirfd (folders made writable first); symbolic links are removed, never followed.
 * -ENOENT when there is nothing. Only for our own staging and cache. */
int fd_remove_tree_at(int dirfd, const char *path);

/* fsync of the folder path below dirfd ("." = dirfd itself). */
int fd_sync_dir_at(int dirfd, const char *path);

#endif

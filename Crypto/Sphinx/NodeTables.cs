using FastExit.Crypto.Lanes;
using FastExit.Crypto.Primitives;

namespace FastExit.Crypto.Sphinx;

/// <summary>
/// Fixed-base tables of the public keys that routes are drawn from, for all threads of a process: made in the background, one
/// after the other, as far as the memory goes that they may take. A key whose table is not there yet, finds no room, or cannot
/// be made is multiplied by the ladder meanwhile or for ever: packets are the same.
/// </summary>
/// <remarks>
/// <see cref="Of"/>, <see cref="Forget"/> and <see cref="Build"/> are for the control plane: they lock and allocate. The
/// packet path reads <see cref="Entry.Table"/>. Dispose frees all tables: only when no thread builds packets any more.
/// </remarks>
public sealed class NodeTables(long maximumBytes) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = [];
    private readonly Queue<Entry> _waiting = [];
    private long _bytes;
    private bool _disposed;

    /// <summary>Bytes that the tables take now.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>
    /// The place of a 32-byte key's table; a new key waits for <see cref="Build"/>. Who names it first says whether its table
    /// is to be a large one, as is worth while for keys that many routes share.
    /// </summary>
    public Entry Of(ReadOnlySpan<byte> key, bool isLarge = false)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, X25519.KeyBytes);
        string name = Convert.ToHexString(key);
        lock (_lock)
        {
            if (!_entries.TryGetValue(name, out Entry? entry))
            {
                _entries[name] = entry = new Entry(key.ToArray(), isLarge);
                _waiting.Enqueue(entry);
            }

            return entry;
        }
    }

    /// <summary>
    /// Makes what waits, in the order of <see cref="Of"/>, about a millisecond each; ends when nothing waits or on request.
    /// </summary>
    public void Build(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested && TryNext() is { } entry)
        {
            X25519Table? table =
                entry.IsLarge ? X25519Table.TryCreateLarge(entry.Key) : X25519Table.TryCreate(entry.Key);
            lock (_lock)
            {
                if (table is not null && !_disposed && !entry.IsForgotten)
                {
                    entry.Table = table;
                    continue;
                }

                table?.Dispose();
                if (!_disposed)
                    Volatile.Write(ref _bytes, _bytes - entry.Bytes);
            }
        }
    }

    /// <summary>
    /// No route leads to this key any more. Its table is not freed at once, because a batch may still hold it, but by the
    /// collector.
    /// </summary>
    public void Forget(ReadOnlySpan<byte> key)
    {
        lock (_lock)
        {
            if (!_entries.Remove(Convert.ToHexString(key), out Entry? entry))
                return;
            entry.IsForgotten = true;
            if (entry.Table is not null)
                Volatile.Write(ref _bytes, _bytes - entry.Bytes);
            entry.Table = null;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (Entry entry in _entries.Values)
            {
                entry.Table?.Dispose();
                entry.Table = null;
            }

            _entries.Clear();
            _waiting.Clear();
            Volatile.Write(ref _bytes, 0);
        }
    }

    // Its bytes are counted from here on.
    private Entry? TryNext()
    {
        lock (_lock)
        {
            while (_waiting.TryPeek(out Entry? entry) && (entry.IsForgotten || _bytes + entry.Bytes <= maximumBytes))
            {
                _waiting.Dequeue();
                if (entry.IsForgotten)
                    continue;
                Volatile.Write(ref _bytes, _bytes + entry.Bytes);
                return entry;
            }

            return null;
        }
    }

    /// <summary>Where one key's table appears when it has been made. Read by any thread.</summary>
    public sealed class Entry
    {
        private X25519Table? _table;

        internal Entry(byte[] key, bool isLarge)
        {
            Key = key;
            IsLarge = isLarge;
        }

        /// <summary>The table, or null as long as there is none.</summary>
        public X25519Table? Table
        {
            get => Volatile.Read(ref _table);
            internal set => Volatile.Write(ref _table, value);
        }

        internal byte[] Key { get; }

        internal bool IsLarge { get; }

        /// <summary>Bytes that its table takes.</summary>
        internal int Bytes => IsLarge ? X25519Table.LargeTableBytes : X25519Table.TableBytes;

        internal bool IsForgotten { get; set; }
    }
}

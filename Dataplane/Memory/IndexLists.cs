namespace FastExit.Memory;

/// <summary>
/// A few lists over the indexes of one table, oldest first; an index stands in one of them at most. Everything is an array made once,
/// and every operation touches a handful of entries.
/// </summary>
internal sealed class IndexLists
{
    public const int None = -1;

    private readonly int[] _older;
    private readonly int[] _newer;
    private readonly sbyte[] _list;
    private readonly int[] _oldest;
    private readonly int[] _newest;

    /// <param name="indexes">Indexes go from 0 to below this.</param>
    /// <param name="lists">How many lists.</param>
    public IndexLists(int indexes, int lists)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lists, sbyte.MaxValue);
        _older = new int[indexes];
        _newer = new int[indexes];
        _list = new sbyte[indexes];
        Array.Fill(_list, (sbyte)None);
        _oldest = new int[lists];
        _newest = new int[lists];
        Array.Fill(_oldest, None);
        Array.Fill(_newest, None);
    }

    /// <summary>The index that was put into the list first, or <see cref="None"/>.</summary>
    public int Oldest(int list) => _oldest[list];

    /// <summary>The list that the index stands in, or <see cref="None"/>.</summary>
    public int ListOf(int index) => _list[index];

    /// <summary>Makes the index the newest of a list; it leaves the one where it stood.</summary>
    public void Append(int list, int index)
    {
        if (_newest[list] == index)
            return;
        Remove(index);
        int before = _newest[list];
        _older[index] = before;
        _newer[index] = None;
        if (before == None)
            _oldest[list] = index;
        else
            _newer[before] = index;
        _newest[list] = index;
        _list[index] = (sbyte)list;
    }

    /// <summary>Takes the index out of the list where it stands, if there is one.</summary>
    public void Remove(int index)
    {
        int list = _list[index];
        if (list == None)
            return;
        _list[index] = None;
        int older = _older[index], newer = _newer[index];
        if (older == None)
            _oldest[list] = newer;
        else
            _newer[older] = newer;
        if (newer == None)
            _newest[list] = older;
        else
            _older[newer] = older;
    }
}

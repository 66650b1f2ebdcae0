namespace FastExit.Cores;

/// <summary>
/// Lets the cores of one exit leave together: a core that has nothing left of its own still takes the packets that its sockets get for
/// the others, acknowledgements most of all. Once every core had drained at one moment, that is final.
/// </summary>
internal sealed class DrainAgreement(int cores)
{
    private readonly bool[] _drained = new bool[cores];
    private volatile bool _reached;

    /// <summary>Any core's thread, about itself. True: all may leave.</summary>
    public bool Report(int core, bool drained)
    {
        Volatile.Write(ref _drained[core], drained);
        if (_reached || !drained)
            return _reached;
        for (int i = 0; i < _drained.Length; i++)
        {
            if (!Volatile.Read(ref _drained[i]))
                return false;
        }

        _reached = true;
        return true;
    }
}

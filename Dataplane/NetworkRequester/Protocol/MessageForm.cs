namespace FastExit.NetworkRequester.Protocol;

/// <summary>
/// How a provider message is wrapped (network-requester.md §1). A peer is answered in the form of its request. Bytes before the
/// flag: requests <c>00</c> | <c>03 01 00</c> | <c>03 01 03</c>, responses none | <c>03 01</c> | <c>03 01 03</c>.
/// </summary>
public enum MessageForm : byte
{
    /// <summary>No envelope, legacy content.</summary>
    Legacy,

    /// <summary>Envelope of interface 3 around legacy content.</summary>
    EnvelopedLegacy,

    /// <summary>Envelope of interface 3, protocol 3.</summary>
    Version3,
}

/// <summary>Sizes in bytes that follow from the form of a message.</summary>
public static class MessageSizes
{
    /// <summary>Return address of an exposed Connect.</summary>
    public const int ReturnAddressBytes = 96;

    /// <summary>Behind the flag of a Send: connection id 8, closed 1, sequence 8. NetworkData has the same fields in another order.</summary>
    public const int DataFieldsBytes = 17;

    /// <summary>Prefix, flag and fields of the longest NetworkData header; the others are shorter.</summary>
    public const int MaximumNetworkDataHeaderBytes = 21;

    /// <summary>Bytes of a request up to and with the flag.</summary>
    public static int RequestPrefixBytes(MessageForm form) => form == MessageForm.Legacy ? 2 : 4;

    /// <summary>Bytes of a response up to and with the flag.</summary>
    public static int ResponsePrefixBytes(MessageForm form) => form switch
    {
        MessageForm.Legacy => 1,
        MessageForm.EnvelopedLegacy => 3,
        _ => 4,
    };

    public static int SendHeaderBytes(MessageForm form) => RequestPrefixBytes(form) + DataFieldsBytes;

    public static int NetworkDataHeaderBytes(MessageForm form) => ResponsePrefixBytes(form) + DataFieldsBytes;
}
